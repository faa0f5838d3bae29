"""Small texts of scenarios: waits, re-entry and what ends a run early, in Japanese and in English."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from rules.hints import shown
from rules.names import Reports
from rules.scenario_models import ExitKind, Wait
from rules.timing import UNIT_PATTERN, NotUnderstoodError, delay_of
from rules.vocabulary import normalised

T = TypeVar("T")
WAIT_FORMS = "3日, 2時間, 3営業日, 火曜10:00, 10:00 (or 3 days, 2 hours, 3 business days, tuesday 10:00)"
RE_ENTRY_FORMS = "なし, 毎回, 30日後 (or never, always, after 30 days)"
EXIT_FORMS = "目標達成, 商談化, ホット化, 同意終了, セグメント離脱 (or goal, deal, hot, consent, segment)"
MOST_BUSINESS_DAYS = 60

WEEKDAY_NUMBERS = {
    name: number
    for number, names in enumerate(
        (("月", "mon", "monday"), ("火", "tue", "tuesday"), ("水", "wed", "wednesday"), ("木", "thu", "thursday"),
         ("金", "fri", "friday"), ("土", "sat", "saturday"), ("日", "sun", "sunday")), start=1
    )
    for name in names
}  # fmt: skip
TIME_PATTERN = r"(?P<hours>[01]?\d|2[0-3])(?::(?P<minutes>[0-5]\d)|時(?:(?P<minutes_past>[0-5]?\d)分|(?P<half>半))?)"
_AT = re.compile(rf"(?:次の|next)?(?:(?P<day>[月火水木金土日]|[a-z]+)(?:曜日?|の)?の?)?(?:{TIME_PATTERN})?(?:まで)?")
_FOR = re.compile(rf"(?P<n>-?\d{{1,6}})(?P<unit>{UNIT_PATTERN})(?:後|待つ)?")
_BUSINESS_DAYS = re.compile(r"(?P<n>-?\d{1,6})(?:営業日|businessdays?|workingdays?)後?")
_AGAIN = re.compile(rf"(?:after)?(?P<n>-?\d{{1,6}})(?P<unit>{UNIT_PATTERN})後?(?:以降|から可?)?")
_NEVER = {"", "なし", "無し", "しない", "不可", "never", "no", "none", "1回のみ", "一度だけ", "-", "—"}
_ALWAYS = {"毎回", "あり", "常に", "always", "every", "everytime", "可"}
_EXITS: dict[str, ExitKind] = {
    "goal": "goal", "目標達成": "goal", "目標": "goal", "cta達成": "goal", "cta": "goal", "cv": "goal",
    "コンバージョン": "goal",
    "deal": "deal", "商談化": "deal", "商談": "deal", "商談中": "deal", "商談開始": "deal",
    "hot": "hot", "ホット化": "hot", "ホット": "hot", "ホットリード化": "hot", "ホットリード": "hot",
    "consent": "consent", "同意終了": "consent", "同意撤回": "consent", "配信停止": "consent",
    "オプトアウト": "consent",
    "segment": "segment", "セグメント離脱": "segment", "対象外": "segment",
}  # fmt: skip
_NONE = {"", "なし", "無し", "none", "-", "—", "–"}
_SEPARATORS = re.compile(r"[、,，+＋/／\n]|または|か(?=.)")


def understood(parse: Callable[[str], T], text: str, spot: Reports) -> T | None:
    """Return what a text says, or None after reporting that it is not understood."""
    try:
        return parse(text)
    except NotUnderstoodError as problem:
        spot.fault(problem.message, received=shown(text), allowed=problem.allowed, hint=problem.hint)
        return None


def time_of(match: re.Match[str]) -> timedelta:
    """Return the time of day of a match of ``TIME_PATTERN``, since midnight."""
    minutes = 30 if match["half"] else int(match["minutes"] or match["minutes_past"] or 0)
    return timedelta(hours=int(match["hours"]), minutes=minutes)


def parse_wait(text: str) -> Wait:
    """Read how long a run waits.

    Raises:
        NotUnderstoodError: Where it does not parse, or a number is out of bounds.
    """
    folded = normalised(text)
    if match := _BUSINESS_DAYS.fullmatch(folded):
        number = int(match["n"])
        if not 1 <= number <= MOST_BUSINESS_DAYS:
            raise NotUnderstoodError(f"{number} business days are out of bounds", f"1 to {MOST_BUSINESS_DAYS}")
        return Wait(business_days=number)
    if match := _FOR.fullmatch(folded):
        return Wait(delay=delay_of(match["n"], match["unit"]))
    match = _AT.fullmatch(folded)
    if match is not None and folded and (match["day"] is None or match["day"] in WEEKDAY_NUMBERS):
        at = None
        if match["hours"] is not None:
            at = time_of(match)
        weekday = WEEKDAY_NUMBERS[match["day"]] if match["day"] else None
        if weekday is not None or at is not None:
            return Wait(weekday=weekday, at=at)
    raise NotUnderstoodError("this wait is not understood", WAIT_FORMS)


def parse_re_entry(text: str) -> timedelta | None:
    """Read after how long a lead may enter again: None for never, no time for always.

    Raises:
        NotUnderstoodError: Where it does not parse, or a number is out of bounds.
    """
    folded = normalised(text)
    if folded in _NEVER:
        return None
    if folded in _ALWAYS:
        return timedelta(0)
    if match := _AGAIN.fullmatch(folded):
        return delay_of(match["n"], match["unit"])
    raise NotUnderstoodError("this re-entry is not understood", RE_ENTRY_FORMS)


def parse_exits(text: str) -> tuple[ExitKind, ...]:
    """Read what ends a run early: several with 、 between them.

    Raises:
        NotUnderstoodError: Where a part is none of the words.
    """
    if normalised(text) in _NONE:
        return ()
    found: dict[ExitKind, None] = {}
    for part in _SEPARATORS.split(text):
        kind = _EXITS.get(normalised(part))
        if kind is None:
            raise NotUnderstoodError(f"'{part.strip()}' is no reason to leave", EXIT_FORMS)
        found[kind] = None
    return tuple(found)
