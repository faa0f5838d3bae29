"""What the parts of a review hand over: figures, each with its p-value, and how to word them once all are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rules.edits import RuleEdit
from warehouse.review_statistics import ALPHA, adjusted
from warehouse.reviews import Finding

NOTHING = "変更は不要です。"
WAIT = "データがたまるまで、このまま様子を見てください。"


class Words(NamedTuple):
    """What is said of a finding."""

    told: str
    what_to_do: str = NOTHING
    edit: RuleEdit | None = None
    expected_effect: str | None = None


@dataclass(frozen=True)
class Measured:
    """Figures of one subject, before it is known whether they are more than noise.

    Attributes:
        p_value: Of this comparison alone; None where there is too little to compare.
        tell: Words them, told whether they are noise; None where they are not worth a row then.
    """

    finding: str
    subject: str
    tell: Callable[[bool | None], Words | None] = field(repr=False)
    metric: str | None = None
    this_period: float | None = None
    last_period: float | None = None
    change: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    asks_for: str = "difference"
    """The comparisons that are judged together: of a difference, or of there being none that is worth points."""
    is_certain: bool = False
    """Whether it needs no comparison: it is counted, not estimated."""


def told(measured: Sequence[Measured], silent: dict[str, str]) -> list[Finding]:
    """The findings, worded. Of a kind with nothing to say one row says so.

    Args:
        measured: Everything that was measured, in the order of the report.
        silent: By kind of finding what to say where there is none of it.
    """
    of_differences = adjusted([one.p_value if one.asks_for == "difference" else None for one in measured])
    of_others = adjusted([one.p_value if one.asks_for != "difference" else None for one in measured])
    p_values = [one if one is not None else other for one, other in zip(of_differences, of_others, strict=True)]
    found: list[Finding] = []
    for one, p_value in zip(measured, p_values, strict=True):
        is_noise = None if p_value is None else p_value > ALPHA
        if one.is_certain:
            is_noise = False
        words = one.tell(is_noise)
        if words is not None:
            found.append(_finding(one, p_value, is_noise, words))
    for kind, text in silent.items():
        if all(one.finding != kind for one in found):
            found.append(Finding(kind, "all", None, None, None, None, None, None, None, True, text, NOTHING))
    return found


def _finding(one: Measured, p_value: float | None, is_noise: bool | None, words: Words) -> Finding:
    return Finding(
        finding=one.finding,
        subject=one.subject,
        metric=one.metric,
        this_period=one.this_period,
        last_period=one.last_period,
        change=one.change,
        low=one.low,
        high=one.high,
        p_value=p_value,
        is_noise=is_noise,
        told=words.told,
        what_to_do=words.what_to_do,
        rule_file=words.edit.file if words.edit else None,
        rule_edit=words.edit.diff if words.edit else None,
        expected_effect=words.expected_effect,
    )


def percent(rate: float) -> str:
    """A share as people read it."""
    shown = f"{rate * 100:.1f}" if abs(rate) >= 0.001 or rate == 0 else f"{rate * 100:.2f}"
    return f"{shown}%"


def points(difference: float) -> str:
    """A difference of shares as people read it."""
    shown = f"{difference * 100:+.1f}" if abs(difference) >= 0.001 or difference == 0 else f"{difference * 100:+.2f}"
    return f"{shown}ポイント"
