"""Writes where the points of a lead come from, which do not count and why, and how tier and stage changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from rules.models import RuleSet
from rules.wording import Wording, days, number
from tasks.explain.layout import Page, aligned
from warehouse.explanation import Award, Change, Event, Explanation, Loss

EVENTS_SHOWN = 30
_BY_ITSELF = frozenset({"mail_sent", "mail_processed", "mail_delivered", "mail_deferred", "mail_dropped"})
"""Events of a mail on its way, which the section on mails tells of."""


@dataclass
class _Sum:
    points: int = 0
    awards: int = 0
    losses: dict[str, list[int]] = field(default_factory=dict)


def write_points(page: Page, explanation: Explanation, rules: RuleSet, wording: Wording) -> None:
    """The score by rule, with what each rule did not count and why."""
    page.heading(f"スコアの内訳(合計 {number(explanation.score)}点)")
    sums = {rule.id: _Sum() for rule in rules.scoring}
    for award, event in _awards(explanation):
        total = sums[award.rule]
        total.points += award.points
        total.awards += award.points != 0
        for loss in award.losses:
            total.losses.setdefault(_why(loss, award, event, rules, wording), []).append(loss.points)
    labels = {rule.id: rule.label for rule in rules.scoring}
    used = {rule: total for rule, total in sums.items() if total.awards or total.losses}
    rows = [(labels[rule], _points(total.points), f"{total.awards}件") for rule, total in used.items()]
    for text, total in zip(aligned(rows), used.values(), strict=True):
        page.line(text)
        for why, points in total.losses.items():
            page.line(f"数えていない {number(sum(points))}点({len(points)}件): {why}", 3)
    if explanation.limit_points:
        bound, limit = ("上限", rules.maximum_score) if explanation.limit_points < 0 else ("下限", rules.minimum_score)
        page.line(f"スコアの{bound}({limit}点)による調整 {_points(explanation.limit_points)}")
    unused = [labels[rule] for rule in sums if rule not in used]
    if unused:
        page.line(f"該当する行動がないルール: {'、'.join(unused)}")


def _points(points: int) -> str:
    return f"{points:+,}点" if points else "0点"


def _awards(explanation: Explanation) -> Iterator[tuple[Award, Event | None]]:
    for event in explanation.events:
        for award in event.awards:
            yield award, event
    for award in explanation.condition_awards:
        yield award, None


def write_events(page: Page, explanation: Explanation, rules: RuleSet, wording: Wording, *, shows_all: bool) -> None:
    """What the person did, latest first, with the points each event gave under each rule."""
    told = [event for event in explanation.events if event.awards or event.event_type not in _BY_ITSELF]
    shown = told if shows_all else told[-EVENTS_SHOWN:]
    count = (
        f"全{number(len(told))}件" if len(shown) == len(told) else f"全{number(len(told))}件のうち最近の{len(shown)}件"
    )
    page.heading(f"行動の記録({count}、新しい順)")
    for event in reversed(shown):
        page.line(f"{page.stamp(event.occurred_at)}  {_event(event, wording)}")
        for award in event.awards:
            page.line(_award(page, award, event, rules, wording), 3)
    if not told:
        page.line("まだありません。")
    elif len(shown) < len(told):
        page.line("(すべて見るには --all、または --json)")
    if explanation.condition_awards:
        page.heading("条件が成り立つ間の点数")
        for award in explanation.condition_awards:
            until = page.stamp(award.to_at) if award.to_at else "継続中"
            page.line(f"{page.stamp(award.from_at)} から {until}  {_award(page, award, None, rules, wording)}")


def _event(event: Event, wording: Wording) -> str:
    what = event.asset or event.url or ""
    group = f"({wording.label('page_group', event.page_group)})" if event.page_group else ""
    return f"{event.label}  {what}{group}".rstrip()


def _award(page: Page, award: Award, event: Event | None, rules: RuleSet, wording: Wording) -> str:
    text = f"{_points(award.points):>4}  {award.label}"
    if award.losses:
        why = "、".join(
            _why(loss, award, event, rules, wording) + (f" {page.stamp(loss.at)}" if loss.at else "")
            for loss in award.losses
        )
        text += f"(本来 {_points(award.rule_points)}): {why}"
    if award.points and award.next_change_at:
        text += f" → 次に変わるのは {page.stamp(award.next_change_at)}"
    return text


def _why(loss: Loss, award: Award, event: Event | None, rules: RuleSet, wording: Wording) -> str:
    """Why points do not count, in words."""
    rule = next(rule for rule in rules.scoring if rule.id == award.rule)
    event_type = event.event_type if event else ""
    match loss.why:
        case "machine":
            return "機械による自動開封・自動クリック(本人の操作ではない)"
        case "opt_out_click":
            return "配信停止・配信設定のリンクのクリック"
        case "repeated" if event_type == "page_view":
            return f"{days(rules.page_view_window_minutes / 1440)}以内の同じページ群の閲覧(1回と数える)"
        case "repeated" if event_type.startswith("mail_"):
            return "同じメールでの2回目以降(1通につき1回と数える)"
        case "repeated":
            return "同じ商談での2回目以降(1件につき1回と数える)"
        case "once_per_lead":
            return "2回目以降(1人につき1回と数える)"
        case "rule_cap" if rule.cap is not None:
            return f"ルールの上限({wording.cap(rule.cap)})"
        case "group_cap":
            group = next(group for group in rules.scoring_groups if group.id == rule.group)
            return f"グループ「{group.label}」の上限({wording.cap(group.cap)})"
        case "expired":
            return f"期限切れ({days(rule.expires_after_days or 0)}で失効)"
        case "decayed":
            return f"時間の経過による減少(半減期{days(rule.half_life_days or 0)})"
        case "ended":
            return "条件から外れた"
        case _:
            return loss.why


def write_changes(page: Page, explanation: Explanation) -> None:
    """How tier and stage came about."""
    for title, changes in (
        ("ティアの変化", explanation.tier_changes),
        ("購買ステージの変化", explanation.stage_changes),
    ):
        page.heading(title)
        page.columns((page.stamp(change.changed_at), _change(change), change.reason) for change in changes)


def _change(change: Change) -> str:
    moved = f"{change.from_label} → {change.to_label}" if change.from_label else change.to_label
    return f"{moved}({change.score}点)" if change.score is not None else moved
