"""The small grammar of the scenario sheet: 配信タイミング, 次のアクション and CTA, in Japanese and in English.

A marketer's cell is either understood exactly or refused with the nearest forms that would be: a guess here would be a
mail to the wrong person on the wrong day.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from rules.models import Selector, Term
from rules.vocabulary import Vocabulary, normalised

LONGEST_DELAY = timedelta(days=365)
HIGHEST_COUNT = 100

TIMING_FORMS = "〈行動〉直後, 〈行動〉後, 〈行動〉後3日, 〈行動〉の3日後 (日・時間・分・週間), 〈行動〉3回目後1日"
ACTION_FORMS = "3日後フォローメール, 営業へ通知, 営業フォロー, —"


class NotUnderstoodError(ValueError):
    """A cell that does not parse: why, what is allowed, and the nearest forms that would parse."""

    def __init__(self, message: str, allowed: str = "", nearest: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.allowed = allowed
        self.nearest = nearest

    @property
    def hint(self) -> str:
        """The nearest forms as a question; empty where nothing is near."""
        return f"did you mean {' / '.join(f'「{form}」' for form in self.nearest)}?" if self.nearest else ""


@dataclass(frozen=True)
class Timing:
    """A trigger and the delay after it: the ``count``-th event of ``selector``, then ``delay``."""

    selector: Selector
    count: int
    delay: timedelta
    term: Term


@dataclass(frozen=True)
class FollowUpMail:
    """A follow-up mail, so long after the CTA event."""

    delay: timedelta


@dataclass(frozen=True)
class NotifySales:
    """Sales is told when the CTA event happens."""


@dataclass(frozen=True)
class SalesFollowUp:
    """The lead is handed to sales."""


NextAction = FollowUpMail | NotifySales | SalesFollowUp

UNITS = {
    "日": timedelta(days=1),
    "日間": timedelta(days=1),
    "時間": timedelta(hours=1),
    "分": timedelta(minutes=1),
    "週間": timedelta(weeks=1),
    "day": timedelta(days=1),
    "hour": timedelta(hours=1),
    "minute": timedelta(minutes=1),
    "week": timedelta(weeks=1),
}
_N = r"(?P<n>-?\d{1,6})"
_UNIT = r"(?P<unit>日間?|時間|分|週間)"
_UNIT_EN = r"(?P<unit>day|hour|minute|week)s?"
UNIT_PATTERN = r"日間?|時間|分|週間|days?|hours?|minutes?|weeks?"
"""The units of ``delay_of``."""

_TIMINGS = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?P<what>.+?)(?:の?直後|後すぐに?|後即時)",
        rf"(?P<what>.+?)(?:後の?|から){_N}{_UNIT}後?",
        rf"(?P<what>.+?)の?{_N}{_UNIT}後",
        r"(?P<what>.+?)の?後",
        r"(?:immediately|right|directly|straight)after(?P<what>.+)",
        rf"{_N}{_UNIT_EN}after(?P<what>.+)",
        r"after(?P<what>.+)",
    )
)
_COUNTS = (
    re.compile(r"を?(?P<count>\d{1,6})回目?(?:の|を)?"),
    re.compile(r"^(?:the|a|an)?(?P<count>\d{1,6})(?:st|nd|rd|th)?(?=[a-z])"),
    re.compile(r"(?P<count>\d{1,6})times$"),
)
_ARTICLE = re.compile(r"^(?:the|an|a)(?=[a-z])")

_NOTHING = re.compile(r"[-‐‑‒–—―−ー~]*|なし|無し|無|特になし|none|no|n/a|nothing")
_FOLLOW_UPS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{_N}{_UNIT}後に?の?(?:フォロー(?:アップ)?)?メール(?:を?(?:送信|配信))?",
        rf"(?:sendthe|senda|send)?followup(?:e?mail)?(?:after|in){_N}{_UNIT_EN}",
        rf"(?:sendthe|senda|send)?followup(?:e?mail)?{_N}{_UNIT_EN}(?:later|after)",
    )
)
_NOTIFY = re.compile(r"営業(?:担当)?者?(?:へ|に)?の?(?:自動)?通知|notify(?:the)?sales")
_HAND_OFF = re.compile(
    r"営業(?:担当)?者?(?:が|による|の|へ|に)?(?:フォロー(?:アップ)?|引き?渡し)|salesfollowup|hand(?:off|over)(?:to)?(?:the)?sales"
)
_SEPARATORS = re.compile(r"[、,，+＋/／&＆\n]|・")


def parse_timing(text: str, vocabulary: Vocabulary) -> Timing:
    """Read a 配信タイミング cell.

    Raises:
        NotUnderstoodError: Where it does not parse, or a number is out of bounds.
    """
    folded = vocabulary.folded(text)
    for pattern in _TIMINGS:
        match = pattern.fullmatch(folded)
        if match is None:
            continue
        found = _counted_term(match["what"], vocabulary)
        if found is None:
            continue
        term, count = found
        parts = match.groupdict()
        delay = _delay(parts["n"], parts["unit"], "直後") if "n" in parts else timedelta(0)
        if not 1 <= count <= HIGHEST_COUNT:
            raise NotUnderstoodError(f"a count of {count} is out of bounds", f"1 to {HIGHEST_COUNT}")
        return Timing(term.selector, count, delay, term)
    if not folded:
        message = "the timing is empty"
    elif vocabulary.find_folded(folded) is not None:
        message = "the timing names a behaviour but not when after it"
    else:
        message = "this timing is not understood"
    raise NotUnderstoodError(message, _with_terms(TIMING_FORMS, vocabulary), _nearest_timings(text, vocabulary))


def parse_next_actions(text: str) -> tuple[NextAction, ...]:
    """Read a 次のアクション cell: none, one, or several with 、 or + between them.

    Raises:
        NotUnderstoodError: Where a part does not parse, or a number is out of bounds.
    """
    if _NOTHING.fullmatch(normalised(text)):
        return ()
    parts = [normalised(part) for part in _SEPARATORS.split(text)]
    return tuple(_next_action(part) for part in parts if part)


def parse_cta(text: str, vocabulary: Vocabulary) -> Term | None:
    """Read a CTA cell: a behaviour of the vocabulary, or none (— or empty).

    Raises:
        NotUnderstoodError: Where the vocabulary has no such word.
    """
    folded = vocabulary.folded(text)
    if _NOTHING.fullmatch(folded):
        return None
    term = vocabulary.find_folded(folded)
    if term is None:
        raise NotUnderstoodError(
            "this call to action is not in the vocabulary",
            f"{', '.join(vocabulary.main_words())}, or — for none",
            _closest(text, vocabulary.words(), vocabulary.folded),
        )
    return term


def _next_action(part: str) -> NextAction:
    if _NOTIFY.fullmatch(part):
        return NotifySales()
    if _HAND_OFF.fullmatch(part):
        return SalesFollowUp()
    for pattern in _FOLLOW_UPS:
        match = pattern.fullmatch(part)
        if match is not None:
            return FollowUpMail(_delay(match["n"], match["unit"], "1日後フォローメール"))
    digits = re.search(r"\d{1,3}", part)
    number = digits.group() if digits and int(digits.group()) else "3"
    forms = [f"{number}日後フォローメール", f"{number}週間後フォローメール", "営業へ通知", "営業フォロー", "なし"]
    forms_en = [f"follow-up mail after {number} days", "notify sales", "sales follow-up", "none"]
    near = _closest(part, forms_en if part.isascii() else forms, normalised)
    raise NotUnderstoodError("this next action is not understood", ACTION_FORMS, near)


def _counted_term(what: str, vocabulary: Vocabulary) -> tuple[Term, int] | None:
    """Return the term and how many times: 価格ページ3回閲覧, 価格ページ閲覧3回目, 3rd price page view."""
    for candidate in (what, _ARTICLE.sub("", what)):
        term = vocabulary.find_folded(candidate)
        if term is not None:
            return term, 1
    for pattern in _COUNTS:
        matches = list(pattern.finditer(what))
        if len(matches) != 1:
            continue
        rest = what[: matches[0].start()] + what[matches[0].end() :]
        term = vocabulary.find_folded(rest)
        if term is not None:
            return term, int(matches[0]["count"])
    return None


def _delay(number: str, unit: str, instead_of_zero: str) -> timedelta:
    if int(number) < 1:
        raise NotUnderstoodError(
            f"a delay of {number} is no delay", "a whole number from 1 up", nearest=(instead_of_zero,)
        )  # fmt: skip
    # Compared as whole numbers first: a number with many digits would overflow a timedelta.
    if int(number) > LONGEST_DELAY // UNITS[unit]:
        raise NotUnderstoodError(f"a delay of {number} {unit} is too long", f"at most {LONGEST_DELAY.days} days")
    return int(number) * UNITS[unit]


def delay_of(number: str, unit: str) -> timedelta:
    """Return a length of time given as a number and one of ``UNIT_PATTERN``.

    Raises:
        NotUnderstoodError: The number is out of bounds.
    """
    return _delay(number, unit.removesuffix("s"), "1日")


def _with_terms(forms: str, vocabulary: Vocabulary) -> str:
    return f"{forms}; 〈行動〉: {', '.join(vocabulary.main_words())}"


def _nearest_timings(text: str, vocabulary: Vocabulary) -> tuple[str, ...]:
    digits = re.search(r"\d{1,3}", normalised(text))
    number = int(digits.group()) if digits and int(digits.group()) else 3
    forms: list[str] = []
    for word in vocabulary.words():
        if word.isascii():
            forms += [f"immediately after {word}", f"after {word}", f"{number} days after {word}"]
            forms += [f"{number} hours after {word}"]
        else:
            forms += [
                f"{word}直後",
                f"{word}後",
                f"{word}後{number}日",
                f"{word}後{number}時間",
                f"{word}後{number}週間",
            ]
            forms += [f"{word}{number}回目直後"] if "回" in text else []
    return _closest(text, forms, vocabulary.folded)


def _closest(text: str, forms: list[str], folded: Callable[[str], str]) -> tuple[str, ...]:
    by_folded: dict[str, str] = {}
    for form in forms:
        by_folded.setdefault(folded(form), form)
    return tuple(by_folded[found] for found in difflib.get_close_matches(folded(text), by_folded, n=3, cutoff=0.5))
