"""Explains one lead: why it has its score, tier, stage, segments, mails and handoffs. Touches nothing."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from typing import Any

from rules.models import MAIL_KINDS, RuleSet
from rules.wording import Wording
from settings import Settings
from warehouse.connection import attach_ledger
from warehouse.explained_acts import acts_since, explain_mails, explain_no_mails, explain_runs, explain_sales
from warehouse.explained_conditions import Conditions
from warehouse.explained_points import (
    explain_condition_awards,
    explain_events,
    explain_stages,
    explain_tiers,
    limit_points,
)
from warehouse.explanation import Account, Block, Browser, Explanation, MailKindState
from warehouse.replay import Replay, open_person


def explain(settings: Settings, rules: RuleSet, email: str, as_of: datetime | None = None) -> Explanation | None:
    """Explain the lead of an address.

    Args:
        settings: Where warehouse and ledger are.
        rules: The rule set to explain it by.
        email: Any address of the lead.
        as_of: The instant; None for that of the last recompute, whose tables people look at.

    Returns:
        The explanation, or None where nobody had the address at that instant.

    Raises:
        WarehouseError: Nothing has been recomputed here yet, or not under these settings.
    """
    address = unicodedata.normalize("NFKC", email).strip().lower()
    with open_person(settings, rules, address, as_of) as replay:
        return None if replay is None else explain_replay(replay, settings, rules, address)


def explain_replay(replay: Replay, settings: Settings, rules: RuleSet, email: str) -> Explanation:
    """Explain a lead whose tables have been derived."""
    wording = Wording(rules)
    lead = _lead(replay)
    conditions = Conditions(replay, wording, lead)
    segments = conditions.segments(rules)
    has_ledger = attach_ledger(replay.connection, settings)
    mails = explain_mails(replay, wording) if has_ledger else ()
    runs = explain_runs(replay, wording) if has_ledger else ()
    above = [tier for tier in rules.tiers if tier.minimum_score is not None and tier.minimum_score > lead["score"]]
    return Explanation(
        email=email,
        lead_id=replay.lead_id,
        as_of=replay.as_of,
        rule_set=rules.title,
        rule_set_version=rules.version,
        identities=_identities(replay),
        browsers=_browsers(replay),
        fields={field.id: lead[field.id] for field in rules.fields if not field.system and lead[field.id] is not None},
        created_at=lead["created_at"],
        last_action_at=lead["last_action_at"],
        consent_state=lead["consent_state"],
        consent_basis=lead["consent_basis"],
        suppression_reason=lead["suppression_reason"],
        mail_kinds=_mail_kinds(replay, lead),
        blocks=_blocks(replay),
        account=_account(replay, lead),
        score=lead["score"],
        tier=lead["tier"],
        tier_label=wording.label("tier", lead["tier"]),
        stage=lead["stage"],
        stage_label=wording.label("stage", lead["stage"]),
        points_to_next_tier=above[-1].minimum_score - lead["score"] if above else None,
        next_tier_label=above[-1].label if above else None,
        events=explain_events(replay, wording),
        condition_awards=explain_condition_awards(replay, wording, rules),
        limit_points=limit_points(replay, rules),
        tier_changes=explain_tiers(replay, wording),
        stage_changes=explain_stages(replay, wording, rules),
        segments=segments,
        conditions=conditions.others(rules),
        mails=mails,
        runs=runs,
        no_mails=explain_no_mails(replay, rules, wording, mails, runs, segments, acts_since(replay, rules, has_ledger)),
        sales=explain_sales(replay, wording) if has_ledger else (),
        notes=tuple(_notes(replay, rules, lead)),
    )


def _lead(replay: Replay) -> dict[str, Any]:
    cursor = replay.query("select * from leads where lead_id = $lead_id")
    row = cursor.fetchone()
    assert row is not None, "every identity belongs to a lead"
    return dict(zip((column[0] for column in cursor.description or ()), row, strict=True))


def _identities(replay: Replay) -> tuple[str, ...]:
    found = replay.query(
        "select value from lead_identities where lead_id = $lead_id order by kind, first_seen_at, value"
    ).fetchall()
    return tuple(value for (value,) in found)


def _browsers(replay: Replay) -> tuple[Browser, ...]:
    found = replay.query(
        """
        select
            visitor,
            nullif(valid_from, timestamptz '-infinity'),
            nullif(valid_to, timestamptz 'infinity'),
            -- who is known by a browser has its past
            visitor not in (select visitor from visitor_bindings where valid_from = timestamptz '-infinity')
        from visitor_bindings where lead_id = $lead_id order by valid_from, visitor
        """
    ).fetchall()
    return tuple(Browser(*row) for row in found)


def _mail_kinds(replay: Replay, lead: dict[str, Any]) -> tuple[MailKindState, ...]:
    found = replay.query(
        """
        with consents as (
            select *, unnest(kinds_meant(mail_kind)) as kind from lead_consents where lead_id = $lead_id
        )

        select kind, basis, source, evidence, since_at from consents
        qualify row_number() over (partition by kind order by since_at desc, mail_kind desc) = 1
        """
    ).fetchall()
    consents = {kind: consent for kind, *consent in found}
    return tuple(
        MailKindState(kind, lead[f"{kind}_refusal"], *consents.get(kind, (None, None, None, None)))
        for kind in MAIL_KINDS
    )


def _blocks(replay: Replay) -> tuple[Block, ...]:
    found = replay.query(
        """
        select list(blocks order by blocks), reason, since_at, until_at
        from lead_suppressions
        where lead_id = $lead_id and (until_at is null or until_at > $as_of)
        group by reason, since_at, until_at, blocks = 'all'
        order by since_at, reason, blocks = 'all'
        """
    ).fetchall()
    return tuple(Block(tuple(blocks), *rest) for blocks, *rest in found)


def _account(replay: Replay, lead: dict[str, Any]) -> Account | None:
    """The company, where the facts of all its people are at hand."""
    if not replay.catalogue.asks_accounts or lead["account_id"] is None:
        return None
    row = replay.query(
        "select account_id, name, leads, score from accounts where account_id = $account_id",
        account_id=lead["account_id"],
    ).fetchone()
    return Account(*row) if row else None


def _notes(replay: Replay, rules: RuleSet, lead: dict[str, Any]) -> list[str]:
    """Why the warehouse's own tables may show something else."""
    row = replay.connection.execute("select as_of, rule_set_version from warehouse.derivation").fetchone()
    assert row is not None
    recomputed_at, version = row
    if version != rules.version:
        return ["other_rules"]
    if recomputed_at != replay.as_of:
        return ["later_instant" if replay.as_of > recomputed_at else "earlier_instant"]
    kept = replay.query("select score, tier, stage from warehouse.leads where lead_id = $lead_id").fetchone()
    return [] if kept == (lead["score"], lead["tier"], lead["stage"]) else ["new_facts"]
