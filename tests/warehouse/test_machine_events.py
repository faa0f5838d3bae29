"""What programs open and click is kept, told apart, and counted nowhere; what is told late changes the verdict."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import duckdb
import pytest

from settings import Settings
from tests.facts import add_event, at
from tests.rule_sets import rule_set
from warehouse.connection import open_warehouse
from warehouse.recompute import recompute

OWN = "http://127.0.0.1:8787"
PERSON = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/156.0.0.0 Safari/537.36"
Fact = Callable[[duckdb.DuckDBPyConnection], object]
_numbers = itertools.count(1)


def event(kind: str, seconds: float, url: str | None = None, agent: str | None = PERSON, **properties: str) -> Fact:
    """An event of one mail that was delivered at a time of its own."""
    told = properties | ({"useragent": agent} if agent and kind in {"mail_open", "mail_click"} else {})
    number = UUID(int=next(_numbers))
    when = at(1) + timedelta(seconds=seconds)
    return lambda connection: add_event(
        connection, kind, when, email="a@example.com", send_id="S", url=url, event_id=number, **told
    )


def delivered(seconds: float = 0) -> Fact:
    return event("mail_delivered", seconds)


def click(seconds: float, page: str = "a", agent: str | None = PERSON) -> Fact:
    return event("mail_click", seconds, f"https://www.example.com/{page}", agent)


def trap(seconds: float) -> Fact:
    return event("mail_click", seconds, f"{OWN}/trap/mail")


KNOWN = [
    lambda connection: add_event(connection, "seminar_attend", at(0), email="a@example.com", event_id=UUID(int=9999))
]
CASES: dict[str, tuple[list[Fact], list[int]]] = {
    # what is counted: points of opens (5) and clicks (10), each once a mail
    "a person's": ([delivered(), event("mail_open", 60), click(100)], [5, 10]),
    "a person who clicks two links a minute later": ([delivered(), click(70, "a"), click(75, "b")], [10]),
    "a person whose provider gives no agent": ([delivered(), event("mail_open", 60, agent=None), click(90, agent=None)], [5, 10]),
    "a mail reader's picture proxy": ([delivered(), event("mail_open", 60, agent="Mozilla/5.0 (via ggpht.com GoogleImageProxy)")], [5]),
    "Apple's": ([delivered(), event("mail_open", 60, sg_machine_open="true")], []),
    "a known program's": ([delivered(), event("mail_open", 600, agent="python-requests/2.32"), click(700, agent="curl/8.0")], []),
    "a click at once": ([delivered(), click(2)], []),
    "a click before the delivery was told": ([click(-4), delivered()], []),
    "several links as the mail came": ([delivered(), click(8, "a"), click(9, "b"), click(12, "a")], []),
    "several links as the mail came, then a person": ([delivered(), click(8, "a"), click(9, "b"), click(4000, "a")], [10]),
    "one link soon after": ([delivered(), click(9, "a"), click(11, "a")], [10]),
    "the link that no person sees": ([delivered(), click(590, "a"), trap(600), click(655, "b"), click(900, "b")], [10]),
    "the link that no person sees alone": ([delivered(), trap(600)], []),
    "clicks without a delivery": ([click(8, "a"), click(9, "b")], [10]),
}  # fmt: skip


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_warehouse(Settings(home=tmp_path)) as connection:
        yield connection


def derive(connection: duckdb.DuckDBPyConnection, as_of: datetime) -> None:
    recompute(connection, rule_set(), as_of, OWN)


def counted(connection: duckdb.DuckDBPyConnection) -> list[int]:
    rows = connection.execute("select points from lead_score_points order by points").fetchall()
    return [points for (points,) in rows]


def check(connection: duckdb.DuckDBPyConnection, points: list[int]) -> None:
    assert counted(connection) == points
    ((opened_at, clicked_at),) = connection.execute("select opened_at, clicked_at from send_outcomes").fetchall()
    assert (opened_at is not None, clicked_at is not None) == (5 in points, 10 in points)
    ((last_action_at,),) = connection.execute("select last_action_at from leads").fetchall()
    assert (last_action_at > at(0)) == bool(points), "a program's doing is no act of the lead"


@pytest.mark.parametrize("name", CASES)
def test_who_it_was(warehouse: duckdb.DuckDBPyConnection, name: str) -> None:
    facts, points = CASES[name]
    for fact in [*KNOWN, *facts]:
        fact(warehouse)
    derive(warehouse, at(10))
    check(warehouse, points)
    assert warehouse.execute("select count(*) from events where send_id = 'S'").fetchall() == [(len(facts),)]


@pytest.mark.parametrize("name", CASES)
def test_it_is_the_same_bit_by_bit_in_any_order(warehouse: duckdb.DuckDBPyConnection, name: str) -> None:
    facts, points = CASES[name]
    shuffled = [*KNOWN, *facts]
    random.Random(name).shuffle(shuffled)
    for day, fact in enumerate(shuffled, 10):
        fact(warehouse)
        derive(warehouse, at(day))
    check(warehouse, points)


def test_a_delivery_that_is_told_late_takes_points_back(warehouse: duckdb.DuckDBPyConnection) -> None:
    for fact in (*KNOWN, click(8, "a"), click(9, "b")):
        fact(warehouse)
    derive(warehouse, at(2))
    check(warehouse, [10])
    delivered()(warehouse)
    derive(warehouse, at(3))
    check(warehouse, [])


NAMED = {"smtp-id": "<m1@mx.test>", "sg_message_id": "m1.recvd-7"}


@pytest.mark.parametrize("kept", ["smtp-id", "sg_message_id"])
@pytest.mark.parametrize("is_late", [False, True])
def test_a_bounce_without_its_send_is_that_of_the_mail_it_is_about(
    warehouse: duckdb.DuckDBPyConnection, kept: str, is_late: bool
) -> None:
    """A thousand mails share a message id: the address tells which."""

    def mails() -> None:
        for one in ("a", "b"):
            add_event(warehouse, "mail_processed", at(1), email=f"{one}@example.com", send_id=f"S{one}", **NAMED)

    def bounce() -> None:
        told = {kept: NAMED[kept] if kept == "smtp-id" else "m1.recvd-other"}
        add_event(warehouse, "mail_bounce", at(2), email="b@example.com", **told)
        add_event(warehouse, "mail_bounce", at(2), email="c@example.com", **told)
        add_event(warehouse, "mail_bounce", at(2), email="a@example.com", **{kept: "another.mail"})

    first, second = (bounce, mails) if is_late else (mails, bounce)
    first()
    derive(warehouse, at(3))
    second()
    derive(warehouse, at(4))
    outcomes = "select send_id, processed_at, bounced_at from send_outcomes order by send_id"
    assert warehouse.execute(outcomes).fetchall() == [("Sa", at(1), None), ("Sb", at(1), at(2))]
