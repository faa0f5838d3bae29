"""Writes, in Japanese, what a sales rep has to know before calling: who, why now, and until when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any

_UNKNOWN = "(未登録)"


def write_brief(row: Mapping[str, Any], cause_label: str, zone: tzinfo) -> str:
    """The brief of one handoff or notice.

    Args:
        row: A row of :func:`warehouse.handoffs.unwritten_handoffs` or ``planned_notices``.
        cause_label: What called for sales, in Japanese.
        zone: The time zone in which stamps are shown.
    """
    lines = [
        f"お名前: {row.get('name') or _UNKNOWN}",
        f"会社名: {row.get('company') or _UNKNOWN}",
        f"役職: {row.get('title') or _UNKNOWN}",
        f"電話番号: {row.get('phone') or _UNKNOWN}",
        f"メール: {row.get('email') or _UNKNOWN}",
        f"スコア: {row.get('score') or 0}点 / 購買ステージ: {row.get('stage_label') or _UNKNOWN}",
        f"きっかけ: {cause_label}",
    ]
    if row.get("due_at"):
        lines.append(f"初回連絡の期限: {_stamp(row['due_at'], zone)}")
    reasons = row.get("reasons") or []
    if reasons:
        lines += ["", "最近の行動:"]
        lines += [f"・{_stamp(reason['at'], zone)} {reason['label']}({reason['points']:+d}点)" for reason in reasons]
    return "\n".join(lines)


def _stamp(at: datetime, zone: tzinfo) -> str:
    local = at.astimezone(zone)
    return f"{local.month}月{local.day}日 {local:%H:%M}"
