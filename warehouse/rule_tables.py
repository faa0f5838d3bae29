"""Writes a rule set into the ``rule_*`` tables, where models join it.

Marketers' words reach SQL only from here and from ``rule_questions``, and only as values of rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import accumulate

import duckdb
import pyarrow as pa

from rules.models import AbTest, Accounts, Cap, RuleSet, ScoringRule, Step
from rules.wording import Wording
from warehouse.questions import Catalogue
from warehouse.rule_questions import behaviour_tables, microseconds, question_tables

Row = Mapping[str, object]


def write_rules(connection: duckdb.DuckDBPyConnection, rules: RuleSet, catalogue: Catalogue) -> None:
    """Make the ``rule_*`` tables those of ``rules``."""
    tables = {
        **_whole(rules),
        **_groups(rules),
        **behaviour_tables(rules, catalogue),
        **question_tables(rules, catalogue),
        **_points(rules, catalogue),
        **_ranks(rules, catalogue),
        **_acts(rules, catalogue),
    }
    for table, rows in tables.items():
        connection.execute(f"delete from {table}")  # table names are the constants below
        if rows:
            connection.register("rule_rows", pa.Table.from_pylist([dict(row) for row in rows]))
            connection.execute(f"insert into {table} by name select * from rule_rows")
            connection.unregister("rule_rows")


def _whole(rules: RuleSet) -> dict[str, Sequence[Row]]:
    return {
        "rule_set": [
            {
                "rule_set_version": rules.version,
                "page_view_window_us": microseconds(rules.page_view_window_minutes / 1440),
                "conversion_window": timedelta(days=rules.conversion_window_days),
            }
        ],
        "rule_accounts": [
            {
                "name_field": rules.accounts.name_field,
                "number_field": rules.accounts.number_field,
                "legal_forms": legal_forms_pattern(rules.accounts),
            }
        ],
        "rule_shared_domains": [{"domain": domain} for domain in rules.accounts.shared_domains],
        "rule_block_domains": [{"domain": domain} for domain in rules.delivery.block_domains],
        "rule_unsubscribe_groups": [
            {"group_id": str(group.id), "kind": group.kind} for group in rules.delivery.unsubscribe_groups
        ],
    }


def soft_bounce_values(rules: RuleSet) -> dict[str, object]:
    """What says when an address bounces softly too often, to be bound."""
    soft = rules.delivery.soft_bounces
    return {
        "soft_bounces": soft.mails,
        "soft_within_us": microseconds(soft.within_days),
        "soft_rest_us": microseconds(soft.rest_days),
    }


def legal_forms_pattern(accounts: Accounts) -> str:
    """A pattern for legal forms at either end of a name; it matches nothing where there are none.

    A form in Latin letters stands at the end and apart: "inc" is one in "Acme Inc.", and none in "Zinc".
    """
    longest_first = sorted(accounts.legal_forms, key=len, reverse=True)
    latin = "|".join(_escaped(form) for form in longest_first if form.isascii())
    other = "|".join(_escaped(form) for form in longest_first if not form.isascii())
    parts = [rf"^\s*(?:{other})+", rf"(?:{other})+\s*$"] if other else []
    parts += [rf"(?:\b|[\s.,、・])(?:{latin})[\s.,]*$"] if latin else []
    return "|".join(parts) or r"[^\s\S]"


def _escaped(form: str) -> str:
    return "".join(f"\\x{{{ord(letter):x}}}" if not letter.isalnum() else letter for letter in form)


def _groups(rules: RuleSet) -> dict[str, Sequence[Row]]:
    return {
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
    }


def _points(rules: RuleSet, catalogue: Catalogue) -> dict[str, Sequence[Row]]:
    groups = {group.id: group for group in rules.scoring_groups}
    causes = [(rule.id, what) for rule in rules.scoring for what in ("given", "decayed", "expired", "ended")]
    return {
        "rule_scoring": [
            {
                "rule": rule.id,
                "label": rule.label,
                "position": position,
                "behaviour": catalogue.behaviours[rule.on] if rule.on is not None else None,
                "condition": f"scoring {rule.id}" if rule.where is not None else None,
                "points": rule.points,
                "once_per": rule.once_per,
                **_cap_columns(rule.cap),
                "scoring_group": rule.group,
                "expires_after_us": microseconds(rule.expires_after_days),
                "half_life_days": rule.half_life_days,
            }
            for position, rule in enumerate(rules.scoring)
        ],
        "rule_scoring_groups": [
            {"scoring_group": group.id, "label": group.label, **_cap_columns(group.cap)} for group in groups.values()
        ],
        "rule_decay_steps": [
            {"rule": rule.id, **step}
            for rule in rules.scoring
            if rule.half_life_days is not None
            for points in _possible_points(rule, groups[rule.group].cap if rule.group else None)
            for step in decay_steps(points, rule.half_life_days)
        ],
        "rule_score_limits": [{"minimum_score": rules.minimum_score, "maximum_score": rules.maximum_score}],
        "rule_score_causes": [
            {"cause": number, "rule": rule, "what": what} for number, (rule, what) in enumerate(causes)
        ],
    }


def _cap_columns(cap: Cap | None) -> Row:
    return {
        "cap_times": cap.times if cap else None,
        "cap_points": cap.points if cap else None,
        "cap_window_us": microseconds(cap.within_days) if cap else None,
    }


def _possible_points(rule: ScoringRule, group_cap: Cap | None) -> Iterator[int]:
    """What an award of a rule may come to: all of its points, or where a cap counts points any part of them."""
    counts_points = any(cap is not None and cap.points is not None for cap in (rule.cap, group_cap))
    sign = 1 if rule.points > 0 else -1
    yield from (sign * points for points in range(1 if counts_points else abs(rule.points), abs(rule.points) + 1))


def decay_steps(points: int, half_life_days: float) -> list[dict[str, int]]:
    """When an award of so many points is worth less, by local midnights since it was given.

    After n midnights points x 0.5 ^ (n / half life) are left, rounded half up in amount, so the first n at which at
    most k are left is the first above half life x log2(points / (k + 0.5)).

    Returns:
        Steps with ``points`` (given), ``day``, ``points_left`` and ``change``, in order of day; the last leaves 0.
    """
    amount, sign = abs(points), 1 if points > 0 else -1
    left_by_day = {
        math.floor(half_life_days * math.log2(amount / (left + 0.5))) + 1: left for left in range(amount - 1, -1, -1)
    }
    steps, before = [], amount
    for day, left in sorted(left_by_day.items()):
        steps.append({"points": points, "day": day, "points_left": sign * left, "change": sign * (left - before)})
        before = left
    return steps


def _ranks(rules: RuleSet, catalogue: Catalogue) -> dict[str, Sequence[Row]]:
    positions = {stage.id: position for position, stage in enumerate(rules.stages, start=1)}
    return {
        "rule_tiers": [
            {"tier": tier.id, "label": tier.label, "minimum_score": tier.minimum_score} for tier in rules.tiers
        ],
        "rule_stages": [
            {"stage": stage.id, "label": stage.label, "position": positions[stage.id]} for stage in rules.stages
        ],
        "rule_stage_entries": _stage_entries(rules, catalogue, positions),
        "rule_fall_backs": [
            {
                "fall_back": fall.id,
                "label": fall.label,
                "position": positions[fall.to],
                "leaving": [positions[stage] for stage in fall.leaving],
                "behaviour": catalogue.behaviours[fall.on] if fall.on is not None else None,
                "condition": f"fall back {fall.id}" if fall.when is not None else None,
            }
            for fall in rules.fall_backs
        ],
        "rule_segments": [
            {"segment": segment.id, "label": segment.label, "position": position}
            for position, segment in enumerate(rules.segments)
        ],
    }


def _stage_entries(rules: RuleSet, catalogue: Catalogue, positions: Mapping[str, int]) -> list[Row]:
    """What leads into each stage, named after the word for it."""
    words = {term.selector: term.id for term in reversed(rules.terms)}
    entries = [
        (stage.id, catalogue.behaviours[selector], None, words.get(selector) or selector.event)
        for stage in rules.stages
        for selector in stage.enter_on
    ] + [(stage.id, None, f"stage {stage.id}", "enter_when") for stage in rules.stages if stage.enter_when is not None]
    return [
        {
            "entry": number,
            "stage": stage,
            "position": positions[stage],
            "behaviour": behaviour,
            "condition": condition,
            "cause": cause,
        }
        for number, (stage, behaviour, condition, cause) in enumerate(entries)
    ]


def _acts(rules: RuleSet, catalogue: Catalogue) -> dict[str, Sequence[Row]]:
    wording = Wording(rules)
    positions = {stage.id: position for position, stage in enumerate(rules.stages, start=1)}
    return {
        "rule_steps": [
            {
                "scenario": step.scenario,
                "step": step.step,
                "label": step.label,
                "kind": step.kind,
                "priority": step.priority,
                "segment": step.segment,
                "stage": step.stage,
                "stage_position": positions[step.stage] if step.stage else None,
                "behaviour": catalogue.behaviours[step.trigger] if step.trigger is not None else None,
                "trigger_count": step.trigger_count,
                "delay": step.delay,
                "category": step.category,
                "send_window": step.window,
                "cta_label": step.cta_label,
                "cta_behaviour": catalogue.behaviours[step.cta] if step.cta is not None else None,
                "is_enabled": step.is_enabled,
                "re_entry_us": _microseconds(step.re_entry),
                "asks_segment": step.asks_segment,
                "scenario_label": wording.scenario(step.scenario),
            }
            for step in rules.steps
        ],
        "rule_variants": [
            {
                "test": test_key(step),
                "scenario": step.scenario,
                "step": step.step,
                "variant": variant,
                "low": low,
                "high": high,
                "send_window": version.window,
                "cta_behaviour": catalogue.behaviours[version.cta] if version.cta is not None else None,
            }
            for step in rules.steps
            if step.test is not None
            for (variant, version), (low, high) in zip(step.versions().items(), _shares(step.test), strict=True)
        ],
        **_scenarios(rules, catalogue),
        "rule_sales_actions": [
            {
                "action": action.id,
                "kind": action.kind,
                "label": action.label,
                "behaviour": catalogue.behaviours[action.on] if action.on is not None else None,
                "on_count": action.on_count,
                "segment": action.segment,
                "stage": action.stage,
                "once_per_account": action.once_per_account,
                "is_request": action.is_request,
            }
            for action in rules.sales_actions
        ],
        "rule_talking_points": [
            {"position": position, "behaviour": catalogue.behaviours[point.on], "say": point.say}
            for position, point in enumerate(rules.handoff.talking_points)
        ],
    }


def test_key(step: Step) -> str:
    """What the ledger calls a step's test: one that is named by another mail is another test."""
    assert step.test is not None
    return f"{step.test.id} of {step.scenario}/{step.step}"


def _shares(test: AbTest) -> list[tuple[float, float]]:
    """Where each variant's share of 0 to 1 begins and ends."""
    whole = sum(variant.share for variant in test.variants)
    ends = [round(part / whole, 12) for part in accumulate(variant.share for variant in test.variants)]
    return list(zip([0.0, *ends[:-1]], [*ends[:-1], 1.0], strict=True))


def _scenarios(rules: RuleSet, catalogue: Catalogue) -> dict[str, Sequence[Row]]:
    exits = [(step.scenario, step.step, one) for step in rules.steps for one in step.exits]
    exits += [(scenario.id, None, one) for scenario in rules.scenarios for one in scenario.exits]  # type: ignore[misc]
    nodes = [(scenario, node) for scenario in rules.scenarios for node in scenario.nodes]
    return {
        "rule_exits": [
            {
                "scenario": scenario,
                "step": step,
                "kind": one.kind,
                "behaviour": catalogue.behaviours[one.on] if one.on is not None else None,
                "tier": rules.handoff.hot_tier if one.kind == "hot" else None,
            }
            for scenario, step, one in exits
        ],
        "rule_scenarios": [
            {
                "scenario": scenario.id,
                "label": scenario.label,
                "segment": scenario.segment,
                "behaviour": catalogue.behaviours[scenario.entry] if scenario.entry is not None else None,
                "entry_count": scenario.entry_count,
                "with_members": scenario.with_members,
                "re_entry_us": _microseconds(scenario.re_entry),
                "first_node": scenario.nodes[0].node,
                "is_enabled": scenario.is_enabled,
            }
            for scenario in rules.scenarios
        ],
        "rule_nodes": [
            {
                "scenario": scenario.id,
                "node": node.node,
                "kind": node.kind,
                "next_node": node.next,
                "delay_us": _microseconds(node.wait.delay) if node.wait else None,
                "business_days": node.wait.business_days if node.wait else None,
                "weekday": node.wait.weekday if node.wait else None,
                "at_us": _microseconds(node.wait.at) if node.wait else None,
            }
            for scenario, node in nodes
        ],
        "rule_arms": [
            {
                "scenario": scenario.id,
                "node": node.node,
                "position": position,
                "segment": arm.segment,
                "behaviour": catalogue.behaviours[arm.on] if arm.on is not None else None,
                "at_least": arm.at_least,
                "next_node": arm.next,
            }
            for scenario, node in nodes
            for position, arm in enumerate(node.arms)
        ],
    }


def _microseconds(length: timedelta | None) -> int | None:
    return None if length is None else length // timedelta(microseconds=1)
