"""Whether sales would get the same deals with fewer calls, were the hot threshold higher."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from rules.edits import propose, set_value
from rules.models import RuleSet
from tasks.review.measured import NOTHING, WAIT, Measured, Words, percent
from warehouse.review_counts import OUTCOME, REPLAYED, ReviewCounts, Row
from warehouse.review_statistics import most_lost, p_of_none_lost

FILE = "tiers.yaml"
MOST_LOST = 0.10
"""A threshold is proposed only if, seeing that none was lost, surely fewer deals than this share would be."""
FEWEST_DEALS = 29
"""The deals it takes to say so: 1 - 0.05 ** (1 / 29) is just below a tenth."""
LEAST_SAVED = 0.05
"""A threshold that saves fewer calls than this share is not worth an edit."""


def measure_threshold(counts: ReviewCounts, rules: RuleSet, folder: Path) -> Measured:
    """The highest threshold that would have lost no deal.

    As the threshold rises deals are lost and never found again; so the first that loses one ends the search, and
    looking at several costs no certainty.
    """
    present, *higher = counts.thresholds
    until = counts.period.ended_at
    first_at = max(present["first_at"] or until, until - REPLAYED)
    weeks = max((until - OUTCOME - first_at) / timedelta(weeks=1), 1.0)
    calls, deals = present["calls_now"], present["deals"]
    safe = [row for row in higher if row["kept"] == deals]
    # of thresholds that make the same calls the lowest does
    best = min(safe, key=lambda row: (row["calls"], row["threshold"]), default=None)
    is_known = deals >= FEWEST_DEALS
    saved = calls - best["calls"] if best is not None else 0
    p_value = p_of_none_lost(calls, saved, deals) if is_known and saved >= max(1, LEAST_SAVED * calls) else None
    label = next(tier.label for tier in rules.tiers if tier.id == counts.hot_tier)
    table = _told_of(present, higher, weeks)

    def tell(is_noise: bool | None) -> Words:
        here = f"「{label}」の基準は{counts.hot_score}点。過去{weeks:.0f}週の再現では、{table}。"
        if not is_known:
            return Words(
                here + f"{OUTCOME.days}日以内の案件が{deals:,}件で、変更を判断するには{FEWEST_DEALS}件必要です。", WAIT
            )
        if p_value is None or is_noise or best is None:
            return Words(here + "案件を失わずに架電を減らせる基準は、はっきりとは見つかりません。", NOTHING)
        edit = propose(folder, FILE, set_value("tiers", counts.hot_tier, "minimum_score", to=best["threshold"]))
        return Words(
            here + f"{best['threshold']}点に上げても、{deals:,}件の案件はすべて引き継げていました。",
            f"基準を{counts.hot_score}点から{best['threshold']}点に上げることを提案します"
            + (f"({edit.file} の編集案あり)。" if edit else "(自動の編集案は作れません)。"),
            edit,
            f"引き継ぎは週{calls / weeks:.1f}件から{best['calls'] / weeks:.1f}件へ{percent(saved / calls)}減、"
            f"案件1件あたりの架電は{calls / deals:.1f}件から{best['calls'] / deals:.1f}件になる見込みです。"
            f"失う案件は0件(95%の確かさで{percent(most_lost(0, deals))}以下)の見込みです。",
        )

    shown = best if best is not None and p_value is not None else present
    return Measured(
        "threshold", counts.hot_tier, tell, "handoffs_per_week", shown["calls"] / weeks, calls / weeks,
        (shown["calls"] - calls) / weeks, None, None, p_value,
    )  # fmt: skip


def _told_of(present: Row, higher: list[Row], weeks: float) -> str:
    chosen = [present, *higher[1:8:2]]
    return "、".join(
        f"{row['threshold']}点なら週{row['calls'] / weeks:.1f}件・案件{row['kept']:,}件"
        + (f"(的中{percent(row['kept'] / row['calls'])})" if row["calls"] else "")
        for row in chosen
    )
