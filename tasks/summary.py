"""The day's figures in the words of the people who ask for them, read from the published file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

_TABLES: dict[str, tuple[str, Sequence[str], str]] = {
    "main": (
        "主な指標",
        ("指標", "直近28日", "その前の28日", "ガイドの目安"),
        """
        with periods as (
            select
                name,
                (as_of at time zone timezone)::date - ends as first_date,
                (as_of at time zone timezone)::date - starts as end_date,
            from publication cross join (values ('now', 28, 0), ('before', 56, 28)) as spans(name, ends, starts)
        ),

        mails as (
            select
                name, sum(opened) as opened, sum(clicked) as clicked, sum(delivered) as delivered,
                sum(converted) as converted, sum(delivered) filter (converted is not null) as asked,
            from periods left join kpi_mail_daily on date >= first_date and date < end_date group by name
        ),

        sales as (
            select
                name, coalesce(sum(handed_off), 0) as handed_off, sum(contacted_within_limit) as in_time,
                sum(contacted_within_limit + breached) as due,
            from periods left join kpi_handoff_daily on date >= first_date and date < end_date group by name
        ),

        deals as (
            select name, coalesce(sum(deals_won), 0) as won, coalesce(sum(amount), 0) as amount
            from periods left join kpi_funnel_daily on date >= first_date and date < end_date group by name
        ),

        figures as (
            select
                1 as place, name, '開封率' as figure, share_of(opened, delivered) as value, '20〜30%' as guide,
            from mails
            union all
            select 2, name, 'クリック率', share_of(clicked, delivered), '5.1%' from mails
            union all
            select 3, name, 'CV率', share_of(converted, asked), null from mails
            union all
            select 4, name, '営業への引き継ぎ', format('{:,}', handed_off::bigint), null from sales
            union all
            select 5, name, '期限内の連絡', share_of(in_time, due), '100%' from sales
            union all
            select 6, name, '受注', format('{:,}', won::bigint), null from deals
            union all
            select 7, name, '受注金額', format('{:,}円', amount::bigint), null from deals
        )

        select
            figure, any_value(value) filter (name = 'now'), any_value(value) filter (name = 'before'), any_value(guide)
        from figures group by place, figure order by place
        """,
    ),
    "tiers": (
        "リード(ティア別)",
        ("ティア", "リード数", "配信可"),
        """
        select tiers.label, count(leads.lead_id), count(*) filter (leads.consent_state = 'consented')
        from tiers left join leads using (tier)
        group by tiers.label, tiers.minimum_score order by tiers.minimum_score desc nulls last
        """,
    ),
    "stages": (
        "リード(購買ステージ別)",
        ("購買ステージ", "リード数", "平均スコア"),
        """
        select stages.label, count(leads.lead_id), round(avg(leads.score), 1)
        from stages left join leads using (stage)
        group by stages.label, stages.position order by stages.position
        """,
    ),
    "mails": (
        "メール(シナリオ・ステップ別)",
        ("シナリオ", "ステップ", "対象", "配信", "到達", "開封率", "クリック率", "CV率"),
        """
        select
            coalesce(steps.scenario_label, kpi.scenario),
            coalesce(steps.label, kpi.step),
            sum(targeted), sum(sent), sum(delivered),
            sum(opened) / nullif(sum(delivered), 0)::double,
            sum(clicked) / nullif(sum(delivered), 0)::double,
            sum(converted) / nullif(sum(delivered), 0)::double
        from kpi_mail_daily as kpi
        left join steps using (scenario, step)
        group by all order by 1, min(steps.delay) nulls last, 2
        """,
    ),
    "decisions": (
        "送らなかったメールの理由",
        ("理由", "件数"),
        """
        select decision, count(*) from send_decisions
        where decision != 'sent' group by all order by 2 desc, 1
        """,
    ),
    "handoffs": (
        "営業への引き継ぎ(担当別)",
        ("担当", "引き継ぎ", "期限内連絡", "期限超過", "連絡まで(時間)", "商談", "受注", "失注", "差し戻し"),
        """
        select
            handoffs.first_owner,
            count(*),
            count(*) filter (first_contact_at <= due_at),
            -- whoever gives a lead back has answered, though nobody called
            count(*) filter (
                coalesce(
                    first_contact_at,
                    case when status = 'returned' then status_changed_at end,
                    (select as_of from publication)
                ) > due_at
            ),
            round(median(epoch(first_contact_at - caused_at) / 3600), 1),
            count(*) filter (status = 'meeting'), count(*) filter (status = 'won'),
            count(*) filter (status = 'lost'), count(*) filter (status = 'returned')
        from handoffs group by all order by 1
        """,
    ),
}


REASONS = {
    "superseded": "別のメールを優先",
    "expired": "期限切れ",
    "exited": "対象外になった(セグメント・ステージ)",
    "no_address": "メールアドレスなし",
    "suppressed": "配信不可(エラー・迷惑メール報告)",
    "opted_out": "配信停止済み",
    "no_consent": "同意なし",
    "bad_address": "宛先の形式が不正",
    "substitutions_too_long": "差し込む値が長すぎる",
    "blocked_domain": "送信しないドメイン",
    "duplicate_address": "同じ宛先へ配信済み",
    "paused": "一時停止中",
    "quiet_hours": "送信時間帯の外(送信待ち)",
    "holiday": "休業日(送信待ち)",
    "holdout": "対照群(効果測定のため送らない)",
    "frequency_cap": "配信頻度の上限(送信待ち)",
    "awaiting_winner": "ABテストの結果待ち(送信待ち)",
    "step_removed": "シナリオから削除",
    "unknown_lead": "リード不明",
}
"""Decisions not to send, in the words of those who read the summary."""


_SHARE_OF = "create macro share_of(part, whole) as case when whole > 0 then format('{:.1f}%', part * 100.0 / whole) end"


@dataclass(frozen=True)
class Figures:
    """One small table for people. Rates are doubles between 0 and 1 and named so by their column (…率)."""

    key: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def read_figures(published: Path) -> list[Figures]:
    """The figures of a published file, in the order in which they are read."""
    with duckdb.connect() as connection:
        path = str(published).replace("'", "''")  # ATTACH takes no bound value; the path is a setting
        connection.execute(f"attach '{path}' as kpi (read_only)")
        connection.execute(_SHARE_OF)
        connection.execute("set search_path = 'kpi.main,memory.main'")
        return [
            Figures(key, title, tuple(columns), tuple(connection.execute(query).fetchall()))
            for key, (title, columns, query) in _TABLES.items()
        ]


def cell(column: str, value: Any) -> str:
    """A value as people read it."""
    if value is None:
        return "—"
    if column.endswith("率"):
        return f"{value:.1%}"
    if column == "理由":
        return REASONS.get(value, str(value))
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)


def to_markdown(figures: Figures) -> str:
    """The table in Markdown."""
    lines = [f"### {figures.title}", "", "| " + " | ".join(figures.columns) + " |", "|---" * len(figures.columns) + "|"]
    for row in figures.rows:
        cells = (cell(column, value).replace("|", "\\|") for column, value in zip(figures.columns, row, strict=True))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
