"""Derives everything that follows from the facts and the rules, as of one instant, at the cost of what changed.

Every derived table is a function of facts, rule set and ``as_of`` alone, so a run repeated, interrupted or made
elsewhere gives the same rows. Touched are the leads that new facts name and those of which something changes with time;
all of them where the rules changed. All tables change in one transaction.
"""

from __future__ import annotations

from datetime import datetime

import duckdb

from rules.models import RuleSet
from warehouse.address_hashes import check_hashes
from warehouse.behaviours import place_events
from warehouse.derivation import Derivation, Progress, model
from warehouse.lead_models import derive_leads, derive_people
from warehouse.machines import judge_readings
from warehouse.new_facts import find_new_facts
from warehouse.people import find_people
from warehouse.rule_tables import write_rules

ABOUT_PEOPLE = (
    "lead_identities", "visitor_ties", "link_visits", "visitor_bindings", "send_addresses", "unknown_addressees",
    "known_agents", "scanner_clicks", "bare_mails", "mail_blocks", "last_deliveries", "send_outcomes", "deals",
    "lead_aliases", "lead_activity", "lead_starts", "lead_first_records", "lead_attribute_history", "lead_attributes",
    "lead_company_keys", "lead_accounts", "lead_consents", "lead_suppressions", "account_domains", "account_names",
)  # fmt: skip
"""The tables that are kept from run to run, whatever the rules."""
BY_RULES = (
    "lead_behaviours", "lead_score_points", "lead_score_changes", "lead_tier_changes", "lead_stage_changes",
    "segment_members", "lead_next_changes", "leads", "member_answers", "account_answers", "accounts",
)  # fmt: skip
"""The tables that are kept for as long as the rules stay."""


def recompute(
    connection: duckdb.DuckDBPyConnection,
    rules: RuleSet,
    as_of: datetime,
    own_url: str,
    on_progress: Progress | None = None,
    *,
    timezone: str = "Asia/Tokyo",
) -> dict[str, int]:
    """Bring the derived tables to ``as_of`` in the caller's transaction.

    Args:
        connection: The warehouse.
        rules: The rule set.
        as_of: The instant.
        own_url: Base of the links in mails; clicks on opt-out and preference links under it never count.
        on_progress: Told what is being computed.
        timezone: The business time zone, at whose midnight points decay.

    Returns:
        Leads by tier, e.g. ``{"hot": 3, "warm": 10, "cold": 400}``.
    """
    run = Derivation(
        connection, rules, as_of, timezone=timezone, own_url=own_url, report=on_progress or (lambda _: None)
    )
    # no model counts on the order of rows, and keeping it costs a fifth of the time and much of the memory
    connection.execute("set preserve_insertion_order = false")
    derive(run)
    run.drop_all()
    connection.execute("reset preserve_insertion_order")
    return dict(connection.execute("select tier, count(*) from leads group by tier").fetchall())


def derive(run: Derivation) -> None:
    """Run the models in order, from the facts to the leads."""
    check_hashes(run.connection)
    run.report("what is new")
    find_new_facts(run)
    if run.is_first:
        run.empty(*ABOUT_PEOPLE, "identity_facts")
    if run.is_full:
        run.empty(*BY_RULES)
        write_rules(run.connection, run.rules, run.catalogue)
    run.connection.execute(model("make_kept"))
    judge_readings(run)
    run.report("people")
    find_people(run)
    run.report("what they did")
    place_events(run)
    _note_mail_events(run)
    _find_touched_people(run)
    run.report("what is known of them")
    derive_people(run)
    _find_touched_leads(run)
    derive_leads(run)
    run.see()


def _note_mail_events(run: Derivation) -> None:
    """Keep what events tell of sends, and those that stop mails."""
    run.build("new_bare_mails")
    run.add("bare_mails", "select * from new_bare_mails")
    run.build("named_mails")
    run.build_kept("send_outcomes", "send_id", "temp.send_outcomes")
    run.drop("send_outcomes", "doubtful_events", "doubtful_sends")
    run.build_kept("last_deliveries", "delivered_to", "temp.last_deliveries")
    run.drop("last_deliveries")
    run.build("arrived_mail_blocks")
    run.add("mail_blocks", "select * from arrived_mail_blocks")


def _find_touched_people(run: Derivation) -> None:
    """Make ``changed_people`` and ``active_people``, each with the ids whose rows they replace."""
    for name in ("changed_people", "active_people"):
        if run.is_first:
            run.make(name, "select distinct lead_id from lead_identities")
        else:
            run.build(name)
    renamed = "select old_lead_id as lead_id from renamed_leads"
    run.make("replaced_people", f"select lead_id from changed_people union {renamed}")
    run.make("replaced_active", f"select lead_id from active_people union {renamed}")


def _find_touched_leads(run: Derivation) -> None:
    if run.is_full:
        run.make("touched_leads", "select distinct lead_id from lead_identities")
    else:
        run.make(
            "touched_leads",
            """
            select lead_id from active_people
            union
            (select lead_id from moved_leads except select old_lead_id from renamed_leads)
            """,
        )
    run.report(f"{run.value('select count(*) from touched_leads'):,} leads to look at")
