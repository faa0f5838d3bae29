"""Whose a browser is: who sent a form by it has its past and what follows; a mail's link tells less, and only of later."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from uuid import UUID

import duckdb
import pytest

from settings import Settings
from tests.facts import add_event, at
from tests.rule_sets import rule_set
from warehouse.connection import open_warehouse
from warehouse.recompute import recompute

A, B = "a@example.com", "b@example.com"
Fact = Callable[[duckdb.DuckDBPyConnection], object]


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_warehouse(Settings(home=tmp_path)) as connection:
        yield connection


def known(email: str, day: float) -> Fact:
    """Somebody is known, by something done without a browser."""
    return lambda connection: add_event(
        connection, "seminar_attend", at(day), email=email, event_id=UUID(int=int(day * 100) + 1)
    )


def price(day: float, visitor: str = "v") -> Fact:
    return lambda connection: add_event(
        connection, "page_view", at(day), visitor=visitor, url="/price", event_id=UUID(int=int(day * 100) + 20000)
    )


def form(email: str, day: float, visitor: str = "v") -> Fact:
    return lambda connection: add_event(
        connection, "form_submit", at(day), visitor=visitor, email=email, event_id=UUID(int=int(day * 100) + 30000)
    )


def sent(send_id: str, email: str, received_at: datetime | None = None) -> Fact:
    def add(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute(
            "insert into send_records values (?, ?, 'guide', 'thanks', 'a', 1, ?, ?)",
            [send_id, email, at(0), received_at or at(0)],
        )

    return add


def visit(send_id: str, day: float, visitor: str = "v") -> Fact:
    return lambda connection: add_event(
        connection, "link_visit", at(day), visitor=visitor, send_id=send_id, event_id=UUID(int=int(day * 100) + 40000)
    )


BASE = [known(A, 0), known(B, 0.5), sent("SA", A), sent("SB", B)]
CASES: dict[str, tuple[list[Fact], dict[str, int]]] = {
    # price views are 15 points each, a day apart
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
    "a link of a send nobody knows ties nobody": ([visit("SX", 1), price(2)], {A: 0, B: 0}),
}  # fmt: skip


def scores(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    return dict(connection.execute("select email, score from leads").fetchall())


def derive(connection: duckdb.DuckDBPyConnection, as_of: datetime) -> None:
    recompute(connection, rule_set(), as_of, "http://127.0.0.1:8787")


@pytest.mark.parametrize("name", CASES)
def test_whose_a_browser_is(warehouse: duckdb.DuckDBPyConnection, name: str) -> None:
    facts, expected = CASES[name]
    for fact in [*BASE, *facts]:
        fact(warehouse)
    derive(warehouse, at(10))
    assert scores(warehouse) == expected


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_same_in_any_order_bit_by_bit_and_told_twice(
    warehouse: duckdb.DuckDBPyConnection, name: str, seed: int
) -> None:
    facts, expected = CASES[name]
    shuffled = [*BASE, *facts]
    random.Random(seed).shuffle(shuffled)
    for day, fact in zip(itertools.count(10), shuffled, strict=False):
        fact(warehouse)
        derive(warehouse, at(day))
    assert scores(warehouse) == expected


def test_a_send_that_is_told_late_takes_its_visits(warehouse: duckdb.DuckDBPyConnection) -> None:
    for fact in (known(A, 0), visit("SA", 1), price(2)):
        fact(warehouse)
    derive(warehouse, at(3))
    assert scores(warehouse) == {A: 0}
    sent("SA", A, received_at=at(4))(warehouse)
    derive(warehouse, at(5))
    assert scores(warehouse) == {A: 15}


def test_a_visit_is_no_act_of_its_own(warehouse: duckdb.DuckDBPyConnection) -> None:
    for fact in (*BASE, visit("SA", 3)):
        fact(warehouse)
    derive(warehouse, at(10))
    assert warehouse.execute("select last_action_at from leads where email = ?", [A]).fetchall() == [(at(0),)]
