"""Why sales gave leads back, and which leads might not have gone there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from rules.edits import add_entry, propose
from rules.models import RuleSet
from tasks.review.measured import NOTHING, Measured, Words, percent
from warehouse.review_counts import REPLAYED, ReviewCounts, Row
from warehouse.review_statistics import FEWEST, count_change, p_of_more

FILE = "handoff.yaml"
MOSTLY = 0.5
"""A segment is withheld only if sales gave back at least this share of it for one reason."""


def measure_returns(counts: ReviewCounts, rules: RuleSet, folder: Path) -> list[Measured]:
    """Each reason beside the period before, and segments of which sales gives most back for one."""
    labels = {reason.id: reason.label for reason in rules.handoff.return_reasons}
    found: Mapping[str, dict[int, Row]] = defaultdict(dict)
    for row in counts.returns:
        found[row["reason"]][row["number"]] = row
    by_reason: Mapping[str, list[Row]] = defaultdict(list)
    for row in counts.return_segments:
        by_reason[row["reason"]].append(row)
    result = [_reason(reason, labels.get(reason, reason) or "理由なし", rows) for reason, rows in found.items()]
    for reason, rows in by_reason.items():
        result += _withheld(reason, labels.get(reason, reason) or "理由なし", rows, rules, folder)
    return result


def _reason(reason: str, label: str, rows: Mapping[int, Row]) -> Measured:
    now, before = rows[0], rows[1]
    # beside the handoffs of each period, since more handoffs have more returns
    exposed = now["handoffs"] and before["handoffs"]
    compared = count_change(
        (now["returns"], float(now["handoffs"]) if exposed else 1.0),
        (before["returns"], float(before["handoffs"]) if exposed else 1.0),
    )

    def tell(is_noise: bool | None) -> Words:
        text = (
            f"差し戻し「{label}」: {now['returns']:,}件(引き継ぎ{now['handoffs']:,}件)、"
            f"前の期間は{before['returns']:,}件(引き継ぎ{before['handoffs']:,}件)。"
        )
        if is_noise is not False:
            return Words(text + "引き継ぎの件数に比べた増減は、偶然のばらつきの範囲です。", NOTHING)
        if compared.change is not None and compared.change < 0:
            return Words(text + "偶然では説明しにくい減少です。", "続けてください。")
        return Words(text + "偶然では説明しにくい増加です。", "差し戻されたリードの共通点を営業と確かめてください。")

    return Measured(
        "return_reasons", reason or "none", tell, "returns", float(now["returns"]), float(before["returns"]),
        float(now["returns"] - before["returns"]), None, None, compared.p_value,
    )  # fmt: skip


def _withheld(reason: str, label: str, rows: list[Row], rules: RuleSet, folder: Path) -> list[Measured]:
    """The segment of which sales gives back most for a reason, beside all other handoffs."""
    withheld = {one.segment for one in rules.handoff.not_when}
    known = {one.id for one in rules.segments}
    best: tuple[float, Row] | None = None
    looked_at = 0
    for row in rows:
        if row["segment"] in withheld or row["segment"] not in known or row["answered"] == row["answered_of_all"]:
            continue
        looked_at += 1
        here = (row["returned"], row["answered"])
        elsewhere = (row["returned_of_all"] - row["returned"], row["answered_of_all"] - row["answered"])
        p_value = p_of_more(here, elsewhere)
        is_mostly = row["returned"] >= max(FEWEST, MOSTLY * row["answered"]) and not row["met"]
        if is_mostly and p_value is not None and (best is None or p_value < best[0]):
            best = (p_value, row)
    if best is None:
        return []
    p_value, row = best
    segment = next(one for one in rules.segments if one.id == row["segment"])

    def tell(is_noise: bool | None) -> Words | None:
        if is_noise is not False:
            return None
        entry = f"{{id: {segment.id}, label: {segment.label}, segment: {segment.id}}}"
        edit = propose(folder, FILE, add_entry("not_when", entry=entry))
        kept = row["answered_of_all"] - row["answered"]
        return Words(
            f"「{segment.label}」のリードは、直近{REPLAYED.days}日に営業が対応した{row['answered']:,}件のうち{row['returned']:,}件"
            f"({percent(row['returned'] / row['answered'])})が「{label}」で差し戻され、商談になったものはありません"
            f"(ほかの引き継ぎでは{percent((row['returned_of_all'] - row['returned']) / kept)})。",
            "このセグメントをスコアによる引き継ぎの対象から外すことを提案します。本人からの申込は今まで通り引き継がれます"
            + (f"({edit.file} の編集案あり)。" if edit else "(自動の編集案は作れません)。"),
            edit,
            f"引き継ぎは{REPLAYED.days}日で{row['answered']:,}件(全体の{percent(row['answered'] / row['answered_of_all'])})減り、"
            f"「{label}」の差し戻しは{row['returned']:,}件減る見込みです。この期間に失う商談は0件でした。",
        )

    return [
        Measured(
            "return_reasons", f"{reason or 'none'}/{segment.id}", tell, "returned_rate",
            row["returned"] / row["answered"],
            (row["returned_of_all"] - row["returned"]) / (row["answered_of_all"] - row["answered"]),
            p_value=min(1.0, p_value * looked_at),
        )
    ]  # fmt: skip
