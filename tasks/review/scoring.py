"""Each scoring rule's lift: do leads who got its points become deals more often than their like, and which do not?"""

from __future__ import annotations

from math import inf
from pathlib import Path

from rules.edits import RuleEdit, propose, remove_entry, set_value
from rules.models import RuleSet, ScoringRule
from tasks.review.measured import NOTHING, WAIT, Measured, Words, percent
from warehouse.review_counts import OUTCOME, REPLAYED, ReviewCounts, Row
from warehouse.review_statistics import Lift, Stratum, lift_of, p_of_a_lift_beyond

FILE = "scoring.yaml"
WORTH_POINTS = 2.0
"""A rule whose lift is surely lower than this, and may be none, earns fewer points."""
WORTH_LITTLE = 1.5
"""One whose lift is surely lower than this earns none."""
ENOUGH_WON = 20
"""From so many deals won on won deals are the measure; below it, deals that were opened."""
NOBODY_FOR_DAYS = 90
"""Where behaviours have given points for so long, a rule that gave none may be asked what it is for."""
_DAYS = OUTCOME.days


def measure_rules(counts: ReviewCounts, rules: RuleSet, folder: Path) -> list[Measured]:
    """The lift of each scoring rule, and what its points are worth."""
    by_rule: dict[str, list[Row]] = {rule.id: [] for rule in rules.scoring}
    for row in counts.rules:
        by_rule[row["rule"]].append(row)
    won = sum(row["won"] for row in counts.rules) >= ENOUGH_WON * len(rules.scoring)
    held = {row["rule"]: row for row in counts.points}
    lifts = {rule.id: _lift(by_rule[rule.id], is_won=won) for rule in rules.scoring}
    what = "受注" if won else "案件化"
    result = [_measured_lift(rule, lifts[rule.id], what) for rule in rules.scoring]
    for rule in rules.scoring:
        if not held[rule.id]["lately"] and rule.on is not None and counts.history_days >= NOBODY_FOR_DAYS:
            result.append(_unused(rule, held[rule.id], folder))
        else:
            result.append(_useless(rule, lifts[rule.id], held[rule.id], what, folder))
    return result


def _lift(rows: list[Row], *, is_won: bool) -> Lift:
    deals = "won" if is_won else "deals"
    return lift_of([Stratum(row["leads"], row[deals], row["others"], row[f"{deals}_of_others"]) for row in rows])


def _measured_lift(rule: ScoringRule, lift: Lift, what: str) -> Measured:
    def tell(is_noise: bool | None) -> Words:
        if lift.lift is None or lift.rate is None or lift.rate_alike is None:
            return Words(
                f"「{rule.label}」({rule.points:+d}点): 件数が足りず、まだ判断できません(加点されたリード {lift.leads:,}人回、うち{what} {lift.deals:,}件)。",
                WAIT,
            )
        text = (
            f"「{rule.label}」({rule.points:+d}点): 加点されたリードが{_DAYS}日以内に{what}した割合は{percent(lift.rate)}"
            f"({lift.deals:,}/{lift.leads:,})。同じ時期・ほかの点数が同程度のリードの{_times(lift.lift)}倍"
            f"(95%区間 {_times(lift.low)}〜{_times(lift.high)}倍)。"
        )  # fmt: skip
        if is_noise:
            return Words(text + "差があるとはまだ言えません。", NOTHING)
        if (lift.lift > 1) == (rule.points > 0):
            return Words(text + f"{what}を見分けるのに役立っています。", "点数を保ってください。")
        return Words(
            text + "点数の向きと逆です。", "この点数の見直しを検討してください(下の「効いていない点数」を参照)。"
        )

    return Measured(
        "rule_lift", rule.id, tell, "lift", lift.rate, lift.rate_alike, _finite(lift.lift), lift.low,
        _finite(lift.high), lift.p_value,
    )  # fmt: skip


def _useless(rule: ScoringRule, lift: Lift, held: Row, what: str, folder: Path) -> Measured:
    """Points that foretell no deal worth them; of points taken off, the lift is turned round."""
    turned = lift if rule.points > 0 else _turned(lift)

    def tell(is_noise: bool | None) -> Words | None:
        if is_noise is not False or turned.lift is None or turned.low is None or turned.high is None or turned.low > 1:
            return None
        is_removed = turned.high < WORTH_LITTLE or abs(rule.points) == 1
        halved = int(rule.points / 2)
        change = remove_entry("scoring", rule.id) if is_removed else set_value("scoring", rule.id, "points", to=halved)
        edit = propose(folder, FILE, change)
        # a single point has no half, and goes though less may be said of it
        bound = WORTH_LITTLE if turned.high < WORTH_LITTLE else WORTH_POINTS
        cooled = held["cooled_without"] if is_removed else held["cooled_by_half"]
        proposal = "この点数を外す" if is_removed else f"点数を{rule.points:+d}から{halved:+d}に下げる"
        return Words(
            f"「{rule.label}」({rule.points:+d}点)は{what}をほとんど見分けていません(同程度のリードの"
            f"{_times(lift.lift)}倍、95%区間 {_times(lift.low)}〜{_times(lift.high)}倍)。{bound:g}倍以上の差があるとは考えにくい結果です。",
            _to_do(proposal, edit),
            edit,
            f"今ホットの{held['hot']:,}人(この点数を持つ人)のうち{cooled:,}人がホットでなくなります。{what}の見分けやすさはほぼ変わらない見込みです。",
        )

    return Measured(
        "useless_points", rule.id, tell, "lift", lift.rate, lift.rate_alike, _finite(lift.lift), lift.low,
        _finite(lift.high), p_of_a_lift_beyond(turned, WORTH_POINTS),
        asks_for="equivalence",
    )  # fmt: skip


def _unused(rule: ScoringRule, held: Row, folder: Path) -> Measured:
    edit = propose(folder, FILE, remove_entry("scoring", rule.id))

    def tell(is_noise: bool | None) -> Words:
        return Words(
            f"「{rule.label}」({rule.points:+d}点): 直近{REPLAYED.days}日に加点されたリードがいません。",
            "まず計測(ページ・フォーム・連携)が届いているかを確かめてください。"
            + _to_do("もう使わない行動ならこのルールを外す", edit),
            edit,
            f"以前の加点が残っている{held['leads']:,}人のスコアが変わります。"
            if held["leads"]
            else "加点されているリードがいないため、今のスコアは変わりません。",
        )

    return Measured("useless_points", rule.id, tell, "leads", 0.0, is_certain=True)


def _to_do(proposal: str, edit: RuleEdit | None) -> str:
    if edit is None:
        return f"{proposal}ことを検討してください(自動の編集案は作れません)。"
    return f"{proposal}ことを提案します({edit.file} の編集案あり)。"


def _turned(lift: Lift) -> Lift:
    if lift.lift is None or lift.low is None or lift.high is None:
        return lift
    ends = [inf if value == 0 else 0.0 if value == inf else 1 / value for value in (lift.high, lift.lift, lift.low)]
    return Lift(lift.leads, lift.deals, lift.rate, lift.rate_alike, ends[1], ends[0], ends[2], lift.p_value)


def _finite(value: float | None) -> float | None:
    return None if value is None or value == inf else value


def _times(value: float | None) -> str:
    return "∞" if value is None or value == inf else f"{value:.1f}"
