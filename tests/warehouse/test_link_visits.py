"""Whose a browser is: who sent a form by it has its past and what follows; a mail's link tells less, and only of later.

The cases stand in one warehouse, each with people, browsers and mails of its own.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import NAMESPACE_OID, uuid5

import duckdb
import pytest

from settings import Settings
from tests.facts import add_event, at
from tests.rule_sets import rule_set
from warehouse.connection import open_warehouse
from warehouse.recompute import recompute


@dataclass(frozen=True)
class Place:
    """A warehouse, and what the names of one case begin with there."""

    warehouse: duckdb.DuckDBPyConnection
    case: str

    def event(self, kind: str, day: float, seconds: float = 0, **told: str | None) -> None:
        event_id = uuid5(NAMESPACE_OID, f"{self.case} {kind} {day} {seconds} {told}")
        own = {
            name: f"{self.case}{value}" if name in {"email", "visitor", "send_id"} else value
            for name, value in told.items()
            if value is not None
        }
        add_event(self.warehouse, kind, at(day, minutes=seconds / 60), event_id=event_id, **own)  # type: ignore[arg-type]


Fact = Callable[[Place], None]


def known(email: str) -> Fact:
    """Somebody is known, by something done without a browser."""
    return lambda place: place.event("seminar_attend", 0, email=email)


def price(day: float, visitor: str = "v") -> Fact:
    return lambda place: place.event("page_view", day, visitor=visitor, url="/price")


def form(email: str, day: float, visitor: str = "v") -> Fact:
    return lambda place: place.event("form_submit", day, visitor=visitor, email=email)


def sent(send_id: str, email: str, received_at: datetime | None = None) -> Fact:
    def add(place: Place) -> None:
        place.warehouse.execute(
            "insert into send_records values (?, ?, 'guide', 'thanks', 'a', 1, ?, ?)",
            [f"{place.case}{send_id}", f"{place.case}{email}", at(0), received_at or at(0)],
        )

    return add


def visit(send_id: str, day: float, visitor: str = "v", seconds: float = 0, page: str = "/") -> Fact:
    return lambda place: place.event("link_visit", day, seconds, visitor=visitor, send_id=send_id, url=page)


def mail(kind: str, send_id: str, day: float, seconds: float = 0) -> Fact:
    """What the provider tells of a mail."""
    return lambda place: place.event(kind, day, seconds, send_id=send_id, url="https://www.example.com/?nl=token")


def merged(email: str, other: str) -> Fact:
    """Two addresses turn out to be one person's."""

    def add(place: Place) -> None:
        for one in (email, other):
            event_id = uuid5(NAMESPACE_OID, f"{place.case} {one} merged")
            place.warehouse.execute(
                "insert into events values (?, 'crm', 'seminar_attend', ?, ?, ?, ?, null, null, null, null, null)",
                [event_id, at(0), at(0), f"{place.case}{one}", f"{place.case}7"],
            )

    return add


A, B = "a@example.com", "b@example.com"
BASE = [known(A), known(B), sent("SA", A), sent("SB", B)]
DELIVERED = mail("mail_delivered", "SA", 1)
CASES: dict[str, tuple[list[Fact], dict[str, int]]] = {
    # price views are 15 points each, a day apart; a click is 10
    "a link ties what follows and nothing before": ([price(1), visit("SA", 2), price(2), price(3)], {A: 30, B: 0}),
    "whose link was opened first stays": ([visit("SA", 1), price(2), visit("SB", 3), price(4)], {A: 30, B: 0}),
    "a form claims the past, also what a link had tied": (
        [price(1), visit("SA", 2), price(3), form(B, 4), price(5)], {A: 0, B: 45},
    ),
    "a link changes nothing of a browser that is known": ([form(A, 1), visit("SB", 2), price(3)], {A: 15, B: 0}),
    "the second person of a shared browser has what follows": (
        [price(1), form(A, 2), price(3), form(B, 4), price(5)], {A: 30, B: 15},
    ),
    "two browsers of one person": (
        [visit("SA", 1, "v"), form(A, 2, "w"), price(3, "v"), price(4, "w")], {A: 30, B: 0},
    ),
    "two who turn out to be one": (
        [visit("SA", 1), price(2), price(3, "w"), form(B, 4, "w"), merged(A, B)], {B: 30},
    ),
    "a link of a send nobody knows": ([visit("SX", 1), price(2)], {A: 0, B: 0}),
    "a link of a send nobody knows before another's": ([visit("SX", 1), visit("SB", 2), price(3)], {A: 0, B: 15}),
    "a gateway that opens a link as the mail comes in": ([DELIVERED, visit("SA", 1, seconds=2), price(2)], {A: 0, B: 0}),
    "a gateway that opens several": (
        [
            DELIVERED, visit("SA", 1, "v", 8, "/a"), visit("SA", 1, "w", 9, "/b"),
            price(2), price(3, "w"),
        ],
        {A: 0, B: 0},
    ),
    "a gateway whose click is known": (
        [DELIVERED, mail("mail_click", "SA", 1, 2), visit("SA", 1, seconds=40), price(2)], {A: 0, B: 0},
    ),
    "a person after a gateway": (
        [DELIVERED, visit("SA", 1, seconds=2), price(1.5), visit("SA", 2, seconds=2), price(3)], {A: 15, B: 0},
    ),
    "another's link after a gateway": (
        [DELIVERED, visit("SA", 1, seconds=2), visit("SB", 2), price(3)], {A: 0, B: 15},
    ),
    "a person who opens one link soon": (
        [DELIVERED, mail("mail_click", "SA", 1, 9), visit("SA", 1, seconds=10), price(2)], {A: 25, B: 0},
    ),
}  # fmt: skip


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_warehouse(Settings(home=tmp_path)) as connection:
        yield connection


def scores(connection: duckdb.DuckDBPyConnection, case: str) -> dict[str, int]:
    rows = connection.execute("select email, score from leads where starts_with(email, ?)", [case]).fetchall()
    return {email.removeprefix(case): score for email, score in rows}


def derive(connection: duckdb.DuckDBPyConnection, as_of: datetime) -> None:
    recompute(connection, rule_set(), as_of, "http://127.0.0.1:8787")


def tell(connection: duckdb.DuckDBPyConnection, *facts: Fact) -> None:
    for fact in facts:
        fact(Place(connection, ""))


def check(connection: duckdb.DuckDBPyConnection) -> None:
    found = {name: scores(connection, f"{number:02}") for number, name in enumerate(CASES)}
    assert found == {name: expected for name, (_, expected) in CASES.items()}


def test_whose_a_browser_is(warehouse: duckdb.DuckDBPyConnection) -> None:
    for number, (facts, _) in enumerate(CASES.values()):
        for fact in [*BASE, *facts]:
            fact(Place(warehouse, f"{number:02}"))
    derive(warehouse, at(10))
    check(warehouse)


@pytest.mark.parametrize("seed", range(2))
def test_it_is_the_same_in_any_order_bit_by_bit(warehouse: duckdb.DuckDBPyConnection, seed: int) -> None:
    chance = random.Random(seed)
    longest = 0
    told = []
    for number, (facts, _) in enumerate(CASES.values()):
        shuffled = chance.sample([*BASE, *facts], len(BASE) + len(facts))
        told.append((Place(warehouse, f"{number:02}"), shuffled))
        longest = max(longest, len(shuffled))
    for step in range(longest):
        for place, facts in told:
            if step < len(facts):
                facts[step](place)
        derive(warehouse, at(10 + step))
    check(warehouse)


def test_a_send_that_is_told_late_takes_its_visits(warehouse: duckdb.DuckDBPyConnection) -> None:
    tell(warehouse, known(A), visit("SA", 1), price(2))
    derive(warehouse, at(3))
    assert scores(warehouse, "") == {A: 0}
    tell(warehouse, sent("SA", A, received_at=at(4)))
    derive(warehouse, at(5))
    assert scores(warehouse, "") == {A: 15}


def test_a_delivery_that_is_told_late_unties_what_a_gateway_opened(warehouse: duckdb.DuckDBPyConnection) -> None:
    tell(warehouse, *BASE, visit("SA", 1, seconds=2), price(2))
    derive(warehouse, at(3))
    assert scores(warehouse, "") == {A: 15, B: 0}
    tell(warehouse, DELIVERED)
    derive(warehouse, at(4))
    assert scores(warehouse, "") == {A: 0, B: 0}


def test_a_visit_is_no_act_of_its_own(warehouse: duckdb.DuckDBPyConnection) -> None:
    tell(warehouse, *BASE, visit("SA", 3))
    derive(warehouse, at(10))
    assert warehouse.execute("select last_action_at from leads where email = ?", [A]).fetchall() == [(at(0),)]
