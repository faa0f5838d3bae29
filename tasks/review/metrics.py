"""The figures of the period beside those of the one before, and whether the difference is more than noise."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from tasks.review.measured import NOTHING, WAIT, Measured, Words, percent, points
from warehouse.review_counts import ReviewCounts
from warehouse.review_statistics import (
    Comparison,
    count_change,
    rate_change,
    spread_of_counts,
    spread_of_rates,
)

RATES = {
    "open_rate": ("開封率", True, "件名と送信時間帯をABテストで見直してください。"),
    "click_rate": ("クリック率", True, "本文とCTAをABテストで見直してください。"),
    "conversion_rate": ("CV率", True, "CTAの行き先のページとフォームを確かめてください。"),
    "bounce_rate": (
        "エラー率",
        False,
        "最近取り込んだリストの入手元と、届かなかった宛先のドメインを確かめてください。",
    ),
    "unsubscribe_rate": ("配信停止率", False, "配信停止が出たシナリオの頻度と対象を見直してください。"),
    "complaint_rate": (
        "迷惑メール報告率",
        False,
        "同意の取り方と、報告が出たメールの対象を今日のうちに確かめてください。",
    ),
    "contacted_in_time_rate": ("期限内の初回連絡率", True, "期限を過ぎた担当者の件数と不在を確かめてください。"),
}
"""Rates: what they are called, whether more is better, and what to do where they got worse."""
COUNTS = {
    "hot_leads": ("ホット化", True, "点数の多い行動(価格ページ・資料DL・セミナー)の件数を確かめてください。"),
    "handoffs": ("営業への引き継ぎ", True, "ホット化の件数と、引き継がなかった理由を確かめてください。"),
    "meetings": ("商談化", True, "初回連絡までの時間と差し戻しの理由を確かめてください。"),
    "deals": ("案件化", True, "商談化の件数と、その前の引き継ぎを確かめてください。"),
    "deals_won": ("受注", True, "失注の理由を営業と確かめてください。"),
}
_PERIODS = {"week": ("この週", "前の週"), "month": ("この月", "前の月")}


def measure_metrics(counts: ReviewCounts) -> list[Measured]:
    """Every metric, compared with the period before; how much it moves by itself is learnt from those before that."""
    spans = counts.period.spans()
    found: Mapping[str, dict[int, tuple[int, int]]] = defaultdict(dict)
    for row in counts.metrics:
        found[row["metric"]][row["number"]] = (row["hits"], row["trials"] or 0)
    names = _PERIODS[counts.period.kind]
    result = []
    for metric in RATES:
        now, before, *earlier = [found[metric].get(span.number, (0, 0)) for span in spans]
        compared = rate_change(now, before, spread_of_rates([before, *earlier]))
        result.append(_measured(metric, _rate(now), _rate(before), compared, names, (now, before)))
    for metric in COUNTS:
        # before the first of all there was nothing to count
        first = max([1, *(number for number, (hits, _) in found[metric].items() if hits)])
        series = [(found[metric].get(span.number, (0, 0))[0], span.days) for span in spans[: first + 1]]
        compared = count_change(series[0], series[1], spread_of_counts(series[1:]))
        are_scaled = series[0][1] != series[1][1]
        result.append(
            _measured(metric, float(series[0][0]), float(series[1][0]), compared, names, None, are_scaled=are_scaled)
        )
    return result


def _rate(counts: tuple[int, int]) -> float | None:
    return counts[0] / counts[1] if counts[1] else None


def _measured(
    metric: str,
    now: float | None,
    before: float | None,
    compared: Comparison,
    names: tuple[str, str],
    counts: tuple[tuple[int, int], tuple[int, int]] | None,
    *,
    are_scaled: bool = False,
) -> Measured:
    label, more_is_better, advice = RATES.get(metric) or COUNTS[metric]
    this, last = names

    def tell(is_noise: bool | None) -> Words:
        if compared.change is None or compared.low is None or compared.high is None:
            return Words(
                f"{label}: 件数が足りず、{last}とは比べられません({_shown(now, counts, 0)}、{last} {_shown(before, counts, 1)})。",
                WAIT,
            )
        interval = (
            f"{points(compared.low)}〜{points(compared.high)}"
            if counts
            else f"{compared.low:+.0f}〜{compared.high:+.0f}件"
        )
        change = points(compared.change) if counts else f"{compared.change:+.0f}件"
        if are_scaled:
            change = f"日数をそろえて {change}"
        text = f"{label}: {this} {_shown(now, counts, 0)}、{last} {_shown(before, counts, 1)}(差 {change}、95%区間 {interval})。"
        if is_noise:
            return Words(text + "偶然のばらつきの範囲です。", NOTHING)
        is_better = (compared.change > 0) == more_is_better
        verdict = "偶然では説明しにくい改善です。" if is_better else "偶然では説明しにくい悪化です。"
        return Words(
            text + verdict, "良くなった要因(送ったメール・施策)を記録し、続けてください。" if is_better else advice
        )

    return Measured(
        "metric_change", metric, tell, metric, now, before, compared.change, compared.low, compared.high,
        compared.p_value,
    )  # fmt: skip


def _shown(value: float | None, counts: tuple[tuple[int, int], tuple[int, int]] | None, which: int) -> str:
    if counts is None:
        return f"{value:.0f}件"
    hits, trials = counts[which]
    return f"{percent(value)} ({hits:,}/{trials:,})" if value is not None else "対象なし"
