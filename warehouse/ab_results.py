"""Adds to the published counts of A/B tests what they are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from operator import itemgetter
from typing import Any, Literal

import duckdb

from warehouse.ab_statistics import MISMATCH, Effect, detectable_effect, effect_of, mails_needed, sample_ratio_p_value

Verdict = Literal["running", "winner", "no_winner", "unsound"]
_TOLD = {
    "test": "varchar",
    "variant": "varchar",
    **dict.fromkeys(Effect.__dataclass_fields__, "double"),
    "sample_ratio_p_value": "double",
    "detectable_effect": "double",
    "mails_needed": "bigint",
    "verdict": "varchar",
}
"""What is added to a variant, and of what type."""


def tell_effects(connection: duckdb.DuckDBPyConnection) -> None:
    """Give ``kpi_ab_tests`` its rates, effects, intervals, checks and verdicts.

    A variant is compared with the first, which therefore has no effect of its own; columns of a test as a whole stand
    in each of its rows.
    """
    counted = connection.execute("from kpi_ab_tests order by test, not is_first, variant")
    names = [name for name, *_ in counted.description or ()]
    rows = [dict(zip(names, row, strict=True)) for row in counted.fetchall()]
    told = [one for _, test in groupby(rows, itemgetter("test")) for one in _told(list(test))]
    columns = ", ".join(f"{name} {kind}" for name, kind in _TOLD.items())
    connection.execute(f"create temp table told_effects ({columns})")
    if told:
        connection.executemany(
            f"insert into told_effects values ({', '.join('?' * len(_TOLD))})",
            [[one.get(name) for name in _TOLD] for one in told],
        )
    connection.execute(
        """
        create or replace table kpi_ab_tests as
        select
            tests.* exclude (smallest_effect, winner, ended_at),
            tests.reached / nullif(tests.measured, 0)::double as rate,
            told_effects.* exclude (test, variant, verdict),
            tests.smallest_effect,
            tests.ended_at,
            told_effects.verdict,
            tests.winner,
        from kpi_ab_tests as tests
        inner join told_effects using (test, variant)
        order by test, not is_first, variant
        """
    )
    connection.execute("drop table temp.told_effects")


def _told(test: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    first, *others = test
    whole = _whole_test(test)
    return [
        {"test": row["test"], "variant": row["variant"], **asdict(Effect()), **whole}
        if row is first
        else {"test": row["test"], "variant": row["variant"], **_compared(row, first, len(others)), **whole}
        for row in test
    ]


def _compared(row: dict[str, Any], first: dict[str, Any], comparisons: int) -> dict[str, Any]:
    counts = (row["reached"], row["measured"], first["reached"], first["measured"])
    effect = effect_of(*counts, comparisons, row["smallest_effect"])
    return asdict(effect) | {"detectable_effect": detectable_effect(_rate(first), counts[1], counts[3], comparisons)}


def _whole_test(test: Sequence[dict[str, Any]]) -> dict[str, Any]:
    first, *others = test
    shares = [row["share"] for row in test]
    sound = None if None in shares else sample_ratio_p_value([row["assigned"] for row in test], shares)
    return {
        "sample_ratio_p_value": sound,
        "mails_needed": mails_needed(_rate(first), first["smallest_effect"], len(others)) if others else None,
        "verdict": _verdict(first, sound),
    }


def _rate(row: dict[str, Any]) -> float:
    return float(row["reached"] / row["measured"]) if row["measured"] else 0.0


def _verdict(first: dict[str, Any], sound: float | None) -> Verdict:
    if first["winner"] is not None:  # which no unsound test has
        return "winner"
    if sound is not None and sound < MISMATCH:
        return "unsound"
    return "running" if first["ended_at"] is None else "no_winner"
