"""The report of a review for people: a page that needs nothing beside it, Markdown, and each edit as a file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rules.models import RuleSet
from tasks.brief import local_stamp
from tasks.errors import RunError
from tasks.review.measured import percent, points
from tasks.review.metrics import COUNTS, RATES
from tasks.review.names import review_name, review_title
from warehouse.reviews import Finding, Review

_PAGES = Path(__file__).parent.parent / "pages"
_SECTIONS = (
    ("threshold", "ホットの基準"),
    ("useless_points", "効いていない点数"),
    ("tiring_segment", "疲れの見えるセグメント"),
    ("leaky_step", "人が離れるステップ"),
    ("return_reasons", "差し戻しの理由"),
)
_VERDICTS = {True: "ばらつきの範囲", False: "ばらつきを超える", None: "判断できない"}


@dataclass(frozen=True)
class Line:
    """A row of a table of figures."""

    label: str
    now: str
    before: str
    change: str
    interval: str
    verdict: str
    is_beyond: bool


def write_report(folder: Path, review: Review, rules: RuleSet, zone: tzinfo) -> Path:
    """Write a review's page, its Markdown and its edits, each in place at once.

    Args:
        folder: Where they go.
        review: What was said.
        rules: The rule set, for what rules are called.
        zone: In which stamps are shown.

    Returns:
        The page.

    Raises:
        RunError: The folder cannot be written.
    """
    page = folder / f"{review_name(review)}.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, edit in enumerate(edits_of(review), start=1):
            _put(folder / patch_name(review, number), edit.rule_edit or "")
        _put(page.with_suffix(".md"), to_markdown(review, rules, zone))
        _put(page, _render("review.html", review, rules, zone, autoescape=True))
    except OSError as error:
        raise RunError(
            f"{folder} cannot be written: {error.strerror}; the review itself is kept in kpi_reviews"
        ) from error
    return page


def to_markdown(review: Review, rules: RuleSet, zone: tzinfo) -> str:
    """The report in Markdown."""
    return _render("review.md", review, rules, zone, autoescape=False)


def patch_name(review: Review, number: int) -> str:
    """The file of an edit."""
    return f"{review_name(review)}.{number}.patch"


def edits_of(review: Review) -> list[Finding]:
    """The findings that propose an edit, the most telling first; rules that nobody gets points by come last."""
    order = {"threshold": 0, "return_reasons": 1, "leaky_step": 2, "tiring_segment": 3, "useless_points": 4}
    found = [one for one in review.findings if one.rule_edit is not None]
    return sorted(found, key=lambda one: (one.p_value is None, order.get(one.finding, len(order))))


def _headline(one: Finding) -> str:
    """What a proposal is about, in few words: the kind of finding, and the first names it tells."""
    kind = dict(_SECTIONS).get(one.finding, one.finding)
    named = re.match(r"(差し戻し)?(「[^」]*」(の「[^」]*」)?)", one.told)
    return f"{kind}: {named.group(2)}" if named else kind


def _put(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(text, encoding="utf-8", newline="")
    fresh.replace(path)


def _render(template: str, review: Review, rules: RuleSet, zone: tzinfo, *, autoescape: bool) -> str:
    environment = Environment(
        loader=FileSystemLoader(_PAGES),
        autoescape=autoescape,  # noqa: S701 - Markdown is no HTML; its values go through the filter `cell`
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["cell"] = _cell
    environment.filters["headline"] = _headline
    environment.filters["diff_lines"] = _diff_lines
    return environment.get_template(template).render(_values(review, rules, zone))


def _values(review: Review, rules: RuleSet, zone: tzinfo) -> Mapping[str, Any]:
    found = review.findings
    edits = [(number, patch_name(review, number), one) for number, one in enumerate(edits_of(review), start=1)]
    changes = [one for one in found if one.is_noise is False and one.rule_edit is None]
    labels = {rule.id: f"{rule.label} ({rule.points:+d}点)" for rule in rules.scoring}
    return {
        "title": review_title(review),
        "reviewed_at": local_stamp(review.reviewed_at, zone),
        "this": "この週" if review.period == "week" else "この月",
        "last": "前の週" if review.period == "week" else "前の月",
        # each month's count stands as it was, so the difference may not be that of the two
        "scaled": "件数の差は、前の月の件数をこの月の日数にそろえたものです。" if review.period == "month" else "",
        "edits": edits,
        "changes": changes,
        "metrics": [_metric(one) for one in found if one.finding == "metric_change"],
        "lifts": [_lift(one, labels) for one in found if one.finding == "rule_lift"],
        "sections": [(heading, [one for one in found if one.finding == kind]) for kind, heading in _SECTIONS],
        "numbers": {(one.finding, one.subject): number for number, _, one in edits},
        "folder": rules.id,
    }


def _metric(one: Finding) -> Line:
    is_rate = one.subject in RATES
    label = (RATES.get(one.subject) or COUNTS.get(one.subject) or (one.subject,))[0]

    def value(figure: float | None) -> str:
        if figure is None:
            return "—"
        return percent(figure) if is_rate else f"{figure:,.0f}件"

    def change(figure: float | None) -> str:
        if figure is None:
            return "—"
        return points(figure) if is_rate else f"{figure:+,.0f}件"

    return Line(
        label, value(one.this_period), value(one.last_period), change(one.change),
        "—" if one.low is None else f"{change(one.low)} 〜 {change(one.high)}",
        _VERDICTS[one.is_noise], one.is_noise is False,
    )  # fmt: skip


def _lift(one: Finding, labels: Mapping[str, str]) -> Line:
    def value(figure: float | None) -> str:
        return "—" if figure is None else percent(figure)

    high = "∞" if one.high is None else f"{one.high:.1f}倍"
    return Line(
        labels.get(one.subject, one.subject), value(one.this_period), value(one.last_period),
        "—" if one.low is None else "∞" if one.change is None else f"{one.change:.1f}倍",
        "—" if one.low is None else f"{one.low:.1f} 〜 {high}",
        _VERDICTS[one.is_noise], one.is_noise is False,
    )  # fmt: skip


def _diff_lines(diff: str) -> list[tuple[str, str]]:
    """The lines of a diff, each with how it is shown."""
    kinds = {"+": "added", "-": "removed", "@": "place"}
    lines = diff.splitlines()
    return [("place" if at < 2 else kinds.get(line[:1], "kept"), line) for at, line in enumerate(lines)]


def _cell(text: str) -> str:
    """A text as a cell or an item of Markdown takes it: in one line, with nothing in it that is mark-up."""
    return re.sub(r"([\\`*_<>|\[\]])", r"\\\1", " ".join(text.split()))
