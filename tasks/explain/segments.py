"""Writes which segments a lead is in and which not, clause by clause."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.explain.layout import Page
from warehouse.explanation import Clause, Explanation, Membership

_SHOWN = 3
_RULES = {"scoring": "点数「{}」", "stage": "購買ステージ「{}」へ進む条件", "fall back": "購買ステージが戻る条件「{}」"}


def write_segments(page: Page, explanation: Explanation) -> None:
    """Every segment with its condition taken apart, those the lead is in first."""
    members = [segment for segment in explanation.segments if segment.is_member]
    others = [segment for segment in explanation.segments if not segment.is_member]
    page.heading(f"入っているセグメント({len(members)})")
    for segment in members:
        _write_segment(page, segment)
    page.heading(f"入っていないセグメント({len(others)})")
    for segment in others:
        _write_segment(page, segment)


def _write_segment(page: Page, segment: Membership) -> None:
    text = f"{'○' if segment.is_member else '×'} {segment.label}"
    stays = list(segment.stays)
    if segment.is_member:
        text += f"  {page.stamp(stays.pop()[0])} から"
    page.line(text)
    if stays:
        past = [f"{page.stamp(entered)}〜{page.stamp(left)}" for entered, left in reversed(stays) if left]
        page.line(f"以前: {_listed(past)[0]}", 3)
    if segment.condition is not None:
        write_clause(page, segment.condition, 3)


def write_conditions(page: Page, explanation: Explanation) -> None:
    """The conditions that points and stages hang on."""
    if not explanation.conditions:
        return
    page.heading("点数とステージの条件")
    for rule in explanation.conditions:
        kind = rule.name.rpartition(" ")[0]
        page.line(f"{'○' if rule.condition.holds else '×'} {_RULES[kind].format(rule.label)}")
        write_clause(page, rule.condition, 3)


def write_clause(page: Page, clause: Clause, depth: int) -> None:
    """A condition, a line a clause."""
    mark = "✓" if clause.holds else "✗"
    if clause.kind == "not" and not clause.parts[0].parts:
        part = clause.parts[0]
        page.line(f"{mark} 『{part.text}』ではない{_found(page, part)}", depth)
    elif len(clause.parts) == 1 and clause.kind in {"all", "any"}:
        write_clause(page, clause.parts[0], depth)
    else:
        page.line(f"{mark} {clause.text}{_found(page, clause)}", depth)
        for part in clause.parts:
            write_clause(page, part, depth + 1)


def _found(page: Page, clause: Clause) -> str:
    """What was found, and until when it stays so by itself."""
    if clause.parts:
        return ""
    found = [clause.shown] if clause.shown is not None else []
    if clause.kind == "sequence" and clause.instants:
        steps = zip(clause.names, clause.instants, strict=True)
        found.append(" → ".join(f"{name} {page.stamp(instant)}" for name, instant in steps))
    else:
        found += _listed(clause.names)
        found += _listed([page.stamp(instant) for instant in clause.instants])
    text = f" … {': '.join(found)}" if found else ""
    if clause.holds and clause.kind == "segment" and clause.since:
        text += f" … {page.stamp(clause.since)} から"
    if not clause.holds and clause.since:
        text += f"({page.stamp(clause.since)} まで成立)"
    if clause.until:
        text += f"({page.stamp(clause.until)} に{'外れる' if clause.holds else '成立'})"
    return text


def _listed(items: Sequence[str]) -> list[str]:
    more = f" ほか{len(items) - _SHOWN}件" if len(items) > _SHOWN else ""
    return ["、".join(items[:_SHOWN]) + more] if items else []
