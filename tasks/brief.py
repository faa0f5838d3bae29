"""Writes, in Japanese, what a sales rep has to know before calling: who, why now, what was read, what to speak of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from rules.handoff import KEPT_CAUSE_LABELS
from rules.models import RuleSet

_UNKNOWN = "(未登録)"
_WEEKDAYS = "月火水木金土日"
_LONGEST_ANSWER = 400


def cause_label(rules: RuleSet, cause: str) -> str:
    """What called for sales, in Japanese."""
    if cause in KEPT_CAUSE_LABELS:
        return KEPT_CAUSE_LABELS[cause]
    return next((action.label for action in rules.sales_actions if action.id == cause), cause)


@dataclass(frozen=True)
class Brief:
    """What a rep reads: facts by label, then sections of lines by title."""

    facts: tuple[tuple[str, str], ...]
    sections: tuple[tuple[str, tuple[str, ...]], ...]

    def text(self) -> str:
        """The brief as plain text."""
        lines = [f"{label}: {value}" for label, value in self.facts]
        for title, more in self.sections:
            lines += ["", f"{title}:", *(f"・{line}" for line in more)]
        return "\n".join(lines)


def make_brief(row: Mapping[str, Any], rules: RuleSet, zone: tzinfo) -> Brief:
    """The brief of one handoff or notice.

    Args:
        row: A row of :func:`warehouse.briefs.with_briefs`.
        rules: The rule set, whose labels it uses.
        zone: The time zone in which stamps are shown.
    """
    facts = [
        ("お名前", row.get("name") or _UNKNOWN),
        ("会社名", row.get("company") or _UNKNOWN),
        ("役職", row.get("title") or _UNKNOWN),
        ("電話番号", row.get("phone") or _UNKNOWN),
        ("メール", row.get("email") or _UNKNOWN),
        ("スコア", f"{row.get('score') or 0}点 / 購買ステージ: {row.get('stage_label') or _UNKNOWN}"),
        ("きっかけ", cause_label(rules, row["cause"])),
    ]
    if row.get("due_at"):
        facts.append(("初回連絡の期限", local_stamp(row["due_at"], zone)))
    sections = (
        ("ご本人の記入", _answers(row, rules)),
        ("最近の行動", _reasons(row, zone)),
        ("見たページ・資料", _seen(row, rules, zone)),
        ("お送りしたメール", _mails(row, zone)),
        ("お話しするなら", [row["say"]] if row.get("say") else []),
    )
    return Brief(tuple(facts), tuple((title, tuple(lines)) for title, lines in sections if lines))


def local_stamp(at: datetime, zone: tzinfo) -> str:
    """An instant as people write it: 4月4日(土) 12:00."""
    local = at.astimezone(zone)
    return f"{local.month}月{local.day}日({_WEEKDAYS[local.weekday()]}) {local:%H:%M}"


def _answers(row: Mapping[str, Any], rules: RuleSet) -> list[str]:
    labels = {field.id: field.label for form in rules.forms for field in form.fields if field.is_property}
    told = row.get("answers") or {}
    return [
        f"{labels[name]}: {' '.join(text.split())[:_LONGEST_ANSWER]}" for name, text in told.items() if name in labels
    ]


def _reasons(row: Mapping[str, Any], zone: tzinfo) -> list[str]:
    return [
        f"{local_stamp(reason['at'], zone)} {reason['label']}({reason['points']:+d}点)"
        for reason in row.get("reasons") or []
    ]


def _seen(row: Mapping[str, Any], rules: RuleSet, zone: tzinfo) -> list[str]:
    pages = {group.id: group.label for group in rules.page_groups}
    assets = {group.id: group.label for group in rules.asset_groups}
    found = []
    for one in row.get("seen") or []:
        labels, unit = (pages, "回") if one["event_type"] == "page_view" else (assets, "件")
        label = labels.get(one["page_group"], one["page_group"])
        found.append(f"{label} {one['times']}{unit}(最後は{local_stamp(one['last_at'], zone)})")
    return found


def _mails(row: Mapping[str, Any], zone: tzinfo) -> list[str]:
    return [
        f"{local_stamp(mail['sent_at'], zone)} {mail['label']}"
        + (" → クリックあり" if mail["is_clicked"] else " → 開封あり" if mail["is_opened"] else "")
        for mail in row.get("mails") or []
    ]
