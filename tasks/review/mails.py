"""Segments that tire of mails, and steps at which a scenario loses its people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from rules.edits import RuleEdit, in_order, new_file, propose, set_value, switch_off_at, switch_off_row
from rules.models import RuleSet, Step
from tasks.review.measured import Measured, Words, percent, points
from warehouse.review_counts import LOAD_WEEKS, OPENED_WITHIN, ReviewCounts, Row
from warehouse.review_period import WEEKS
from warehouse.review_statistics import Comparison, Counts, p_of_more, rate_change, trend_of_rates

FILE = "delivery.yaml"
FEWEST_MAILS = 100
"""A segment or a step with fewer mails is not looked at."""
MUCH_MORE = 1.5
"""A step is leaky only if it loses so many times as many as the others do,"""
FEWER_OPENS = 0.10
"""or has an open rate lower by so much."""
_HALF = WEEKS // 2
_CAP = "# 1人あたりのマーケティングメールの上限です。 / The most marketing mails a lead gets.\ncaps:\n"


def measure_segments(counts: ReviewCounts, rules: RuleSet, folder: Path) -> list[Measured]:
    """Each segment's opens and opt-outs over the last weeks."""
    labels = {segment.id: segment.label for segment in rules.segments}
    weeks: Mapping[str, dict[int, Row]] = defaultdict(dict)
    for row in counts.segments:
        weeks[row["segment"]][row["number"]] = row
    load: Mapping[str, dict[int, int]] = defaultdict(dict)
    for row in counts.mail_load:
        load[row["segment"]][row["mails"]] = row["times"]
    return [
        _segment(segment, labels.get(segment, segment), found, load[segment], rules, folder)
        for segment, found in weeks.items()
        if sum(row["delivered"] for row in found.values()) >= FEWEST_MAILS
    ]


def _segment(
    segment: str, label: str, weeks: Mapping[int, Row], load: Mapping[int, int], rules: RuleSet, folder: Path
) -> Measured:
    def series(what: str) -> list[Counts]:
        rows = [weeks.get(number) for number in reversed(range(WEEKS))]
        return [(row[what], row["delivered"]) if row else (0, 0) for row in rows]

    opens, leaves = series("opened"), series("left_us")
    falling, rising = trend_of_rates(opens, is_rise=False), trend_of_rates(leaves, is_rise=True)
    both = [value for value in (falling, rising) if value is not None]
    is_falling = falling is not None and falling == min(both)
    of, what = (opens, "開封率") if is_falling or not both else (leaves, "配信停止率")
    before, now = _sum(of[:_HALF]), _sum(of[_HALF:])
    mailed = sum(1 for _, delivered in of if delivered)
    compared = rate_change(now, before)
    other = leaves if of is opens else opens
    beside = _from_to(_sum(other[:_HALF]), _sum(other[_HALF:]))

    def tell(is_noise: bool | None) -> Words | None:
        if is_noise is not False:
            return None
        edit, effect = _lower_cap(load, rules, folder)
        beside_of = "配信停止率" if of is opens else "開封率"
        return Words(
            f"「{label}」: 直近{WEEKS}週(うち配信のあった{mailed}週)で、{what}が{'下がる' if of is opens else '上がる'}傾向です"
            f"(前半{_HALF}週 {_from_to(before, now)} 後半{_HALF}週、{_interval(compared)})。{beside_of}は{beside}。",
            (f"1人あたりの配信の上限を下げることを提案します({edit.file} の編集案あり)。" if edit else
             "このセグメントへの配信の頻度を下げるか、内容を変えてください。"),
            edit,
            effect if edit else None,
        )  # fmt: skip

    return Measured(
        "tiring_segment", segment, tell, "open_rate" if of is opens else "unsubscribe_rate", _rate(now),
        _rate(before), compared.change, compared.low, compared.high,
        # who was not mailed in one half has no figures to tell
        min(1.0, 2 * min(both)) if both and before[1] and now[1] else None,
    )  # fmt: skip


def _lower_cap(load: Mapping[int, int], rules: RuleSet, folder: Path) -> tuple[RuleEdit | None, str]:
    """A cap on mails of all kinds that is one mail below what the busiest tenth of the segment gets in a week."""
    times = sorted(mails for mails, count in load.items() for _ in range(count))
    busy = times[int(0.9 * (len(times) - 1))] if times else 1
    known = next((cap for cap in rules.delivery.caps if cap.kind is None and cap.within_days >= 7), None)
    if known is not None:
        days = known.within_days
        # below one mail a week is one every other week
        most = min(known.mails - 1, max(int(max(busy - 1, 0.5) * days / 7), 1))
        label = known.label.replace(f"{known.mails}通", f"{most}通")
        change = in_order(set_value("caps", known.id, "mails", to=most), set_value("caps", known.id, "label", to=label))
    else:
        most, days = (busy - 1, 7.0) if busy > 1 else (1, 14.0)
        text = f"{days / 7:.0f}週間に{most}通まで"
        change = new_file(f"{_CAP}  - {{id: mails_a_lead, label: {text}, mails: {most}, within_days: {days:.0f}}}\n")
    if most < 1:
        return None, ""
    total = sum(mails * count for mails, count in load.items())
    late = sum(max(0, mails - most * 7 / days) * count for mails, count in load.items())
    effect = (
        f"上限を{days:.0f}日に{most}通にすると、直近{LOAD_WEEKS}週にこのセグメントへ届いた{total:,}通のうち最大約{late:,.0f}通"
        f"({percent(late / total) if total else '0%'})が後回しか取りやめになります。上限はこのセグメント以外のリードにも働きます。"
        "開封率がどこまで戻るかは、このデータからは分かりません。"
    )
    return propose(folder, FILE, change), effect


def measure_steps(counts: ReviewCounts, rules: RuleSet, folder: Path) -> list[Measured]:
    """Each step beside the other steps of its scenario."""
    scenarios: Mapping[str, list[Row]] = defaultdict(list)
    for row in counts.steps:
        scenarios[row["scenario"]].append(row)
    steps = {(step.scenario, step.step): step for step in rules.steps}
    return [
        _step(row, [one for one in rows if one is not row], steps.get((row["scenario"], row["step"])), folder)
        for rows in scenarios.values()
        for row in rows
        if row["delivered"] >= FEWEST_MAILS and len(rows) > 1
    ]


def _step(row: Row, others: list[Row], step: Step | None, folder: Path) -> Measured:
    delivered = sum(one["delivered"] for one in others)
    ways: dict[str, tuple[str, Counts, Counts]] = {
        "unsubscribe_rate": (
            "配信停止・迷惑メール報告",
            (row["left_us"], row["delivered"]),
            (sum(one["left_us"] for one in others), delivered),
        ),
        "unopened_rate": (
            f"{OPENED_WITHIN.days}日以内の未開封",
            (row["delivered"] - row["opened"], row["delivered"]),
            (delivered - sum(one["opened"] for one in others), delivered),
        ),
        "exited_rate": (
            "送信前の離脱(対象外)",
            (row["exited"], row["targeted"]),
            (sum(one["exited"] for one in others), sum(one["targeted"] for one in others)),
        ),
    }
    asked = {
        metric: p_of_more(here, elsewhere)
        for metric, (_, here, elsewhere) in ways.items()
        if _is_leak(metric, here, elsewhere)
    }
    known = {metric: value for metric, value in asked.items() if value is not None}
    metric = min(known, key=lambda name: known[name]) if known else "unsubscribe_rate"
    what, here, elsewhere = ways[metric]
    compared = rate_change(here, elsewhere)

    def tell(is_noise: bool | None) -> Words | None:
        if is_noise is not False:
            return None
        edit = _switched_off(step, folder) if metric == "unsubscribe_rate" and step is not None else None
        advice = {
            "unsubscribe_rate": "内容と対象を直すまで、このメールを止めることを提案します",
            "unopened_rate": "件名をABテストで見直してください(ab_tests.yaml)。",
            "exited_rate": "待ち時間を短くするか、対象のセグメントとステージの条件を見直してください。",
        }[metric]
        if metric == "unsubscribe_rate":
            advice += f"({edit.file} の編集案あり)。" if edit else "(自動の編集案は作れません)。"
        return Words(
            f"「{row['scenario_label']}」の「{row['label']}」: {what}が{percent(here[0] / here[1])}({here[0]:,}/{here[1]:,})で、"
            f"同じシナリオのほかのメール {percent(elsewhere[0] / elsewhere[1])}より多くなっています({_interval(compared)})。",
            advice,
            edit,
            _effect(here, elsewhere) if edit else None,
        )

    # three ways are looked at, and the most telling of them is told
    p_value = min(1.0, min(known.values()) * len(ways)) if known else 1.0
    return Measured(
        "leaky_step", f"{row['scenario']}/{row['step']}", tell, metric, _rate(here), _rate(elsewhere),
        compared.change, compared.low, compared.high, p_value,
    )  # fmt: skip


def _is_leak(metric: str, here: Counts, elsewhere: Counts) -> bool:
    if not here[1] or not elsewhere[1]:
        return False
    rate, rate_elsewhere = here[0] / here[1], elsewhere[0] / elsewhere[1]
    if metric == "unopened_rate":
        return rate - rate_elsewhere >= FEWER_OPENS
    return rate > MUCH_MORE * rate_elsewhere


def _effect(here: Counts, elsewhere: Counts) -> str:
    weekly = here[1] / WEEKS
    spared = (here[0] / here[1] - elsewhere[0] / elsewhere[1]) * weekly
    return (
        f"週約{weekly:,.0f}通のこのメールが止まり、配信停止は週約{spared:,.1f}件減る見込みです(ほかのメール並みになった場合)。"
        "このメールからの反応もなくなります。"
    )


def _switched_off(step: Step, folder: Path) -> RuleEdit | None:
    """The mail switched off where it stands, if it has a place of its own there."""
    file, _, place = step.source.partition(" ")
    kind, _, number = place.partition(" ")
    if not number.isdigit():
        return None
    return propose(folder, file, switch_off_row(int(number)) if kind == "row" else switch_off_at(int(number)))


def _sum(series: list[Counts]) -> Counts:
    return sum(one[0] for one in series), sum(one[1] for one in series)


def _rate(counts: Counts) -> float | None:
    return counts[0] / counts[1] if counts[1] else None


def _from_to(before: Counts, now: Counts) -> str:
    shown = [percent(one[0] / one[1]) if one[1] else "対象なし" for one in (before, now)]
    return f"{shown[0]} → {shown[1]}"


def _interval(compared: Comparison) -> str:
    if compared.change is None or compared.low is None or compared.high is None:
        return "差は計算できません"
    return f"差 {points(compared.change)}、95%区間 {points(compared.low)}〜{points(compared.high)}"
