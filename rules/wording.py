"""Says in Japanese what rules mean: behaviours, conditions, spans of time, with the labels of the rule set.

Whoever is told why a lead is where it is reads these words, not the keys of the rule files.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import assert_never

from rules.models import (
    ANY_EVENT,
    AccountCondition,
    All,
    AnyOf,
    Cap,
    Condition,
    DealCondition,
    EventCondition,
    Field,
    FieldCondition,
    Leaf,
    Not,
    OccasionCondition,
    PropertyTest,
    RuleSet,
    ScoreCondition,
    SegmentCondition,
    Selector,
    SequenceCondition,
    StageCondition,
    TierCondition,
)

EVENTS = {
    ANY_EVENT: "何らかの行動",
    "page_view": "ページ閲覧",
    "document_download": "資料ダウンロード",
    "form_submit": "フォーム送信",
    "seminar_signup": "セミナー申込",
    "seminar_attend": "セミナー参加",
    "consultation_request": "個別相談申込",
    "mail_sent": "メール送信",
    "mail_processed": "メール受付",
    "mail_delivered": "メール到達",
    "mail_open": "メール開封",
    "mail_click": "メール内リンククリック",
    "link_visit": "メールのリンクからの訪問",
    "mail_bounce": "メール不達",
    "mail_dropped": "メール送信中止",
    "mail_deferred": "メール遅延",
    "mail_spam_report": "迷惑メール報告",
    "mail_unsubscribe": "配信停止",
    "mail_resubscribe": "配信再開",
    "deal_created": "商談発生",
    "deal_won": "受注",
    "deal_lost": "失注",
}
"""What events are called where the vocabulary has no word for them."""

DEALS = {None: "商談", "open": "進行中の商談", "won": "受注した商談", "lost": "失注した商談"}
_KEPT_FIELDS = {"title_level": "役職の階層", "email_domain": "メールドメイン"}
_TRIGGER_MAILS = "trigger_mails"


class Wording:
    """The words of one rule set."""

    def __init__(self, rules: RuleSet) -> None:
        self._rules = rules
        self._fields = {field.id: field for field in rules.fields}
        self._terms = {term.selector: term.words[0] for term in reversed(rules.terms) if term.words}
        self._labels: dict[str, dict[str, str]] = {
            "page_group": _labels(rules.page_groups),
            "asset_group": _labels(rules.asset_groups),
            "title_level": _labels(rules.title_levels),
            "tier": _labels(rules.tiers),
            "stage": _labels(rules.stages),
            "segment": _labels(rules.segments),
            "rule": _labels(rules.scoring),
            "group": _labels(rules.scoring_groups),
            "fall_back": _labels(rules.fall_backs),
            "action": _labels(rules.sales_actions),
        }
        self._scenarios = _labels(rules.segments) | _labels(rules.scenarios) | _labels(rules.newsletters)
        self._steps = {(step.scenario, step.step): step.label for step in rules.steps}

    def label(self, kind: str, name: str | None) -> str:
        """The label of a tier, stage, segment, page_group, asset_group, title_level, rule, group or fall_back."""
        return self._labels[kind].get(name or "", name or "なし")

    def scenario(self, scenario: str) -> str:
        """What a scenario is called; one of the sheet by the segment it serves."""
        return "トリガーメール" if scenario == _TRIGGER_MAILS else self._scenarios.get(scenario, scenario)

    def step(self, scenario: str, step: str) -> str:
        """What a mail is called."""
        return self._steps.get((scenario, step), step)

    def cap(self, cap: Cap) -> str:
        """A cap, such as 7日間に2回まで."""
        times = f"{cap.times}回" if cap.times is not None else ""
        points = f"{cap.points}点" if cap.points is not None else ""
        return f"{days(cap.within_days)}間に{'・'.join(bound for bound in (times, points) if bound)}まで"

    # -- behaviours --------------------------------------------------------------------------------------------------

    def event(self, event_type: str) -> str:
        """What an event of a type is called."""
        return self._terms.get(Selector(event=event_type)) or EVENTS.get(event_type, event_type)

    def behaviour(self, on: Selector) -> str:
        """A behaviour, by the vocabulary's first word for it, else put together of what narrows it."""
        term = self._terms.get(on)
        if term is not None:
            return term
        plain = on.model_copy(update={"page_group": None, "asset_group": None})
        name = self.event(on.event)
        if plain == Selector(event=on.event):
            group = self.label("page_group", on.page_group) if on.page_group else ""
            asset = self.label("asset_group", on.asset_group) if on.asset_group else ""
            return f"{name}({'・'.join(part for part in (group, asset) if part)})" if group or asset else name
        details = [
            self.label("page_group", on.page_group) if on.page_group else "",
            self.label("asset_group", on.asset_group) if on.asset_group else "",
            f"資料「{on.asset}」" if on.asset else "",
            f"シナリオ「{self.scenario(on.scenario)}」" if on.scenario else "",
            f"メール「{self.step(on.scenario or '', on.step)}」" if on.step else "",
            *(_property(test) for test in on.properties),
        ]
        return f"{name}({'、'.join(detail for detail in details if detail)})"

    # -- conditions --------------------------------------------------------------------------------------------------

    def condition(self, condition: Condition | None) -> str:
        """A whole condition in one line."""
        match condition:
            case None:
                return "すべてのリード"
            case All(parts=parts):
                return " かつ ".join(self._part(part) for part in parts)
            case AnyOf(parts=parts):
                return " または ".join(self._part(part) for part in parts)
            case Not(part=part):
                return f"「{self.condition(part)}」に当てはまらない"
            case _:
                return self.leaf(condition)

    def _part(self, part: Condition) -> str:
        text = self.condition(part)
        return f"({text})" if isinstance(part, All | AnyOf) and len(part.parts) > 1 else text

    def leaf(self, leaf: Leaf) -> str:
        """One clause of a condition."""
        match leaf:
            case FieldCondition():
                return self._field(leaf)
            case EventCondition(on=on, at_least=at_least, within_days=within_days):
                when = f"直近{days(within_days)}に" if within_days is not None else "これまでに"
                return f"{when}「{self.behaviour(on)}」が{at_least}回以上"
            case OccasionCondition(on=on, which=which, before_days=before_days, within_days=within_days):
                first = "初めて" if which == "first" else "最後"
                bounds = [
                    f"{days(before_days)}以上前" if before_days is not None else "",
                    f"{days(within_days)}以内" if within_days is not None else "",
                ]
                asked = "で".join(bound for bound in bounds if bound) or "ある"
                return f"{first}の「{self.behaviour(on)}」が{asked}"
            case SequenceCondition(steps=steps, within_days=within_days, ended_within_days=ended):
                order = " → ".join(f"「{self.behaviour(step)}」" for step in steps)
                last = f"、最後の行動が直近{days(ended)}" if ended is not None else ""
                return f"{order} の順に行動(それぞれ前の行動から{days(within_days)}以内{last})"
            case DealCondition():
                return f"{self._deal(leaf)}がある"
            case ScoreCondition(at_least=low, at_most=high):
                return f"スコアが{_bounds(low, high, '点')}"
            case TierCondition(one_of=tiers):
                return f"ティアが{_one_of(self.label('tier', tier) for tier in tiers)}"
            case StageCondition(one_of=stages):
                return f"購買ステージが{_one_of(self.label('stage', stage) for stage in stages)}"
            case SegmentCondition(segment=segment):
                return f"セグメント「{self.label('segment', segment)}」に入っている"
            case AccountCondition():
                return self._account(leaf)
            case _:
                assert_never(leaf)

    def _account(self, leaf: AccountCondition) -> str:
        match leaf.asked:
            case ScoreCondition(at_least=low, at_most=high) if leaf.kind == "score":
                return f"会社の合計スコアが{_bounds(low, high, '点')}"
            case EventCondition() if leaf.kind == "event":
                return f"会社全体で、{self.leaf(leaf.asked)}"
            case asked if leaf.people > 1:
                return f"同じ会社の{leaf.people}人以上について、{self.leaf(asked)}"
            case asked:
                return f"同じ会社の誰かについて、{self.leaf(asked)}"

    def _deal(self, leaf: DealCondition) -> str:
        if leaf.within_days is None:
            when = ""
        elif leaf.status is None:
            when = f"直近{days(leaf.within_days)}に始まった"
        else:
            when = f"その状態になって{days(leaf.within_days)}以内の"
        amount = f"{number(leaf.amount_at_least)}円以上の" if leaf.amount_at_least is not None else ""
        return f"{when}{amount}{DEALS[leaf.status]}"

    def deal(self, deal: str, status: str, amount: float | None) -> str:
        """A deal with its state and amount."""
        worth = f"、{number(float(amount))}円" if amount is not None else ""
        return f"{deal}({DEALS.get(status, status)}{worth})"

    # -- fields ------------------------------------------------------------------------------------------------------

    def field(self, name: str) -> str:
        """The label of a field."""
        field = self._fields.get(name)
        return field.label if field is not None else _KEPT_FIELDS.get(name, name)

    def value(self, name: str, value: object) -> str:
        """A value of a field as people read it; a title's level by its label."""
        if value is None:
            return "未登録"
        if name == "title_level":
            return self.label("title_level", str(value))
        kind = self._kind(name)
        if isinstance(value, bool) or kind == "boolean":
            return "はい" if value in (True, "true") else "いいえ"
        if isinstance(value, date):
            return value.isoformat()
        if isinstance(value, int | float):
            return number(value)
        if kind == "choices":
            return "、".join(str(value).split(";"))
        return str(value)

    def _kind(self, name: str) -> str:
        field: Field | None = self._fields.get(name)
        return field.type if field is not None else "text"

    def _field(self, leaf: FieldCondition) -> str:
        label = self.field(leaf.field)
        if leaf.is_known is not None:
            return f"{label}が{'登録されている' if leaf.is_known else '登録されていない'}"
        if leaf.one_of is not None:
            return f"{label}が{_one_of(self.value(leaf.field, value) for value in leaf.one_of)}"
        if leaf.equals is not None:
            return f"{label}が「{self.value(leaf.field, leaf.equals)}」"
        if leaf.contains is not None:
            return f"{label}に「{leaf.contains}」{'がある' if self._kind(leaf.field) == 'choices' else 'を含む'}"
        if isinstance(leaf.at_least, date) or isinstance(leaf.at_most, date):
            after = f"{leaf.at_least}以降" if leaf.at_least is not None else ""
            before = f"{leaf.at_most}以前" if leaf.at_most is not None else ""
            return f"{label}が{after}{before}"
        return f"{label}が{_bounds(leaf.at_least, leaf.at_most, '')}"


def days(given: float) -> str:
    """A span of days as people say it: 30日, 12時間, 90分, 1日と6時間."""
    span = timedelta(seconds=round(given * 86400))
    minutes, seconds = divmod(span.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((span.days, "日"), (hours, "時間"), (minutes, "分"), (seconds, "秒"))
    return "と".join(f"{amount}{unit}" for amount, unit in parts if amount) or "0秒"


def number(given: float) -> str:
    """A number with its thousands marked, and no more decimals than it has."""
    return f"{given:,.0f}" if float(given).is_integer() else f"{given:,}"


def _property(test: PropertyTest) -> str:
    name = test.property
    if test.one_of is not None:
        return f"{name}が{_one_of(test.one_of)}"
    if test.contains is not None:
        return f"{name}に「{test.contains}」を含む"
    if test.is_known is not None:
        return f"{name}が{'ある' if test.is_known else 'ない'}"
    return f"{name}が{_bounds(test.at_least, test.at_most, '')}"


_MOST_LISTED = 20


def _one_of(labels: Iterable[str]) -> str:
    listed = [f"「{label}」" for label in labels]
    if len(listed) > _MOST_LISTED:
        return f"{''.join(listed[:5])}ほか{len(listed) - 5:,}件のいずれか"
    return listed[0] if len(listed) == 1 else f"{''.join(listed)}のいずれか"


def _bounds(low: float | None, high: float | None, unit: str) -> str:
    at_least = f"{number(low)}{unit}以上" if low is not None else ""
    at_most = f"{number(high)}{unit}以下" if high is not None else ""
    return at_least + at_most


def _labels(items: Iterable[object]) -> dict[str, str]:
    return {item.id: item.label for item in items}  # type: ignore[attr-defined]  # everything named has both
