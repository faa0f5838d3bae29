"""Writes a rule set into the ``rule_*`` tables, where models join it.

Marketers' words reach SQL only from here, and only as values of rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import duckdb
import pyarrow as pa

from rules.models import RuleSet, Selector

Row = Mapping[str, object]


def write_rules(connection: duckdb.DuckDBPyConnection, rules: RuleSet) -> bool:
    """Make the ``rule_*`` tables those of ``rules``.

    Returns:
        Whether they were another version's before.
    """
    stored = connection.execute("select rule_set_version from rule_set").fetchone()
    if stored == (rules.version,):
        return False
    for table, rows in _tables(rules).items():
        connection.execute(f"delete from {table}")  # table names are the constants below
        if rows:
            connection.register("rule_rows", pa.Table.from_pylist([dict(row) for row in rows]))
            connection.execute(f"insert into {table} by name select * from rule_rows")
            connection.unregister("rule_rows")
    return True


def selector_columns(selector: Selector | None, prefix: str = "") -> Row:
    """The three columns a selector is stored in; NULL matches anything."""
    return {
        f"{prefix}event_type": selector.event if selector else None,
        f"{prefix}page_group": selector.page_group if selector else None,
        f"{prefix}asset_group": selector.asset_group if selector else None,
    }


def _tables(rules: RuleSet) -> dict[str, Sequence[Row]]:
    stage_positions = {stage.id: position for position, stage in enumerate(rules.stages, start=1)}
    return {
        "rule_set": [
            {
                "rule_set_version": rules.version,
                "page_view_window": timedelta(minutes=rules.page_view_window_minutes),
                "conversion_window": timedelta(days=rules.conversion_window_days),
            }
        ],
        "rule_page_groups": [
            {"position": position, "page_group": group.id, "pattern": pattern.lower()}
            for position, group in enumerate(rules.page_groups)
            for pattern in group.patterns
        ],
        "rule_asset_groups": [
            {"position": position, "asset_group": group.id, "pattern": pattern.lower()}
            for position, group in enumerate(rules.asset_groups)
            for pattern in group.patterns
        ],
        "rule_title_levels": [
            {"position": position, "title_level": level.id, "match": match, "word": word.lower()}
            for position, level in enumerate(rules.title_levels)
            for match, words in (("ending", level.endings), ("exact", level.exact))
            for word in words
        ],
        "rule_scoring": [
            {
                "rule": rule.id,
                "label": rule.label,
                "points": rule.points,
                "once_per": rule.once_per,
                **selector_columns(rule.on),
            }
            for rule in rules.scoring
        ],
        "rule_tiers": [
            {"tier": tier.id, "label": tier.label, "minimum_score": tier.minimum_score} for tier in rules.tiers
        ],
        "rule_stages": [
            {"stage": stage.id, "label": stage.label, "position": stage_positions[stage.id]} for stage in rules.stages
        ],
        "rule_stage_entries": [
            {"stage": stage.id, "position": stage_positions[stage.id], **selector_columns(selector)}
            for stage in rules.stages
            for selector in stage.enter_on
        ],
        "rule_segments": [
            {"segment": segment.id, "label": segment.label, "position": position}
            for position, segment in enumerate(rules.segments)
        ],
        "rule_steps": [
            {
                "scenario": step.scenario,
                "step": step.step,
                "label": step.label,
                "kind": step.kind,
                "priority": step.priority,
                "segment": step.segment,
                "stage": step.stage,
                "stage_position": stage_positions[step.stage] if step.stage else None,
                "trigger_count": step.trigger_count,
                "delay": step.delay,
                "category": step.category,
                "cta_label": step.cta_label,
                "is_enabled": step.is_enabled,
                **selector_columns(step.trigger),
                **selector_columns(step.cta, "cta_"),
            }
            for step in rules.steps
        ],
        "rule_sales_actions": [
            {
                "action": action.id,
                "kind": action.kind,
                "label": action.label,
                "on_count": action.on_count,
                "segment": action.segment,
                "stage": action.stage,
                **selector_columns(action.on),
            }
            for action in rules.sales_actions
        ],
    }
