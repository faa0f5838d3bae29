"""Derives what follows for leads: points, scores, tiers, stages, segments, companies.

Leads are taken a part at a time, so that memory is bounded however many there are. Where a rule asks about a lead's
colleagues, points and stages of all come first, then companies, then segments.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.models import (
    AccountCondition,
    DealCondition,
    EventCondition,
    FieldCondition,
    Leaf,
    OccasionCondition,
    ScoreCondition,
    SequenceCondition,
    StageCondition,
    TierCondition,
)
from warehouse.conditions import spans_query
from warehouse.derivation import Derivation
from warehouse.leads import leads_query
from warehouse.questions import conditions_of

LEADS_AT_A_TIME = 300_000
BEHAVIOURS_AT_A_TIME = 4_000_000
"""How many of each a part holds; with what follows from them, some two gigabytes."""

PEOPLE = (
    "lead_aliases", "lead_attribute_history", "lead_activity", "lead_starts", "lead_consents", "lead_suppressions",
)  # fmt: skip
RANKS = ("lead_score_points", "lead_score_changes", "lead_tier_changes", "lead_stage_changes")


def derive_people(run: Derivation) -> None:
    """Derive what is known of all touched leads that does not hang on behaviours, and their companies.

    Extends ``touched_leads`` by those who belong to another company than before because of others.
    """
    _scope(run, "select lead_id from touched_leads")
    run.build("scope_identities", "told_attributes", "title_levels", *PEOPLE)
    for table in PEOPLE:
        run.keep(table, "lead_id", "replaced_leads")
    run.build("deals")
    run.keep("deals", "source, deal_id", "deals")
    _find_companies(run)
    run.drop("told_attributes", "title_levels", "scope_identities", "deals", *PEOPLE)


def _find_companies(run: Derivation) -> None:
    run.make("old_company_keys", "select * from lead_company_keys where lead_id in (select lead_id from replaced_leads)")
    run.build("lead_company_keys")
    run.keep("lead_company_keys", "lead_id", "replaced_leads")
    run.drop("lead_company_keys")
    for sign in ("domain", "name"):
        run.build(f"affected_{sign}s", f"fresh_{sign}_accounts")
        run.make(
            f"changed_{sign}s",
            f"select coalesce(fresh.value, known.value) as value from fresh_{sign}_accounts as fresh"
            f" full join (from account_{sign}s where value in (select {sign} from affected_{sign}s)) as known"
            " on fresh.value = known.value where fresh.account_id is distinct from known.account_id",
        )
        kept = run.main(f"account_{sign}s")
        if not run.is_full:
            run.connection.execute(f"delete from {kept} where value in (select {sign} from affected_{sign}s)")
        run.connection.execute(f"insert into {kept} by name select * from fresh_{sign}_accounts")
    run.build("account_moves")
    run.make(
        "old_accounts",
        "select distinct account_id from lead_accounts"
        " where lead_id in (select lead_id from replaced_leads union select lead_id from account_moves)",
    )
    run.build("lead_accounts")
    run.keep("lead_accounts", "lead_id", "(select lead_id from replaced_leads union select lead_id from account_moves)")
    run.drop("lead_accounts")
    for table in ("touched_leads", "replaced_leads"):
        run.connection.execute(
            f"insert into {table} select lead_id from account_moves where lead_id not in (select lead_id from {table})"
        )
    run.build("touched_accounts")
    run.drop(
        "old_company_keys", "affected_domains", "affected_names", "fresh_domain_accounts", "fresh_name_accounts",
        "changed_domains", "changed_names", "account_moves", "old_accounts",
    )  # fmt: skip


def derive_leads(run: Derivation) -> None:
    """Derive points, ranks and segments of all touched leads, a part at a time."""
    asks_accounts = run.catalogue.asks_accounts
    for part in _parts(run, "touched_leads"):
        run.report(f"scores, tiers and stages{part}")
        run.load("lead_attribute_history", "lead_starts")
        run.build("scope_identities", "scope_behaviours", "uncounted_behaviours", "lead_behaviours")
        run.drop("scope_behaviours", "uncounted_behaviours")
        run.keep("lead_behaviours", "lead_id", "scope_replaced")
        _answer_by_facts(run)
        _rank(run)
        if asks_accounts:
            run.build("member_answers", "lead_next_changes")
            run.keep("member_answers", "lead_id", "scope_replaced")
            run.keep("lead_next_changes", "lead_id", "scope_replaced")
        else:
            _place_in_segments(run)
        _end_part(run)
    if asks_accounts:
        _derive_account_answers(run)
        for part in _parts(run, "leads_of_touched_accounts"):
            run.report(f"segments{part}")
            run.load("lead_attribute_history", "lead_starts", "lead_behaviours", *RANKS)
            run.make(
                "award_instants",
                f"select lead_id, award_at from {run.main('lead_next_changes')}"
                " where lead_id in (select lead_id from scope_leads) and award_at is not null",
            )
            run.build("scope_identities")
            _answer_by_facts(run)
            _place_in_segments(run)
            _end_part(run)
    run.report("companies")
    run.build("accounts")
    run.keep("accounts", "account_id", "touched_accounts")
    run.drop("accounts")


def _parts(run: Derivation, table: str) -> Iterator[str]:
    """Set the scope to one part of a table's leads after the other, and say which of how many."""
    leads = run.value(f"select count(*) from {table}")
    placed = run.value("select count(*) from placed_behaviours") if run.is_full else 0
    count = max(1, -(-leads // LEADS_AT_A_TIME), -(-placed // BEHAVIOURS_AT_A_TIME))
    run.make("part_leads", f"select lead_id, ntile({count}) over (order by lead_id) as part from {table}")
    for part in range(1, count + 1):
        _scope(run, f"select lead_id from part_leads where part = {part}")
        yield f" ({part} of {count})" if count > 1 else ""
    run.drop("part_leads", "scope_leads", "scope_replaced")


def _scope(run: Derivation, query: str) -> None:
    run.make("scope_leads", query)
    run.make(
        "scope_replaced",
        "select lead_id from scope_leads union"
        " select old_lead_id as lead_id from renamed_leads where lead_id in (select lead_id from scope_leads)",
    )


def _end_part(run: Derivation) -> None:
    kept_for_all = {
        "renamed_leads", "losing_leads", "placed_behaviours", "placed_activity", "touched_leads", "replaced_leads",
        "touched_accounts", "events_to_place", "leads_of_touched_accounts", "part_leads", "scope_leads",
        "scope_replaced",
    }  # fmt: skip
    run.drop_all(but=kept_for_all)


_BY_FACTS: dict[type[Leaf], str] = {
    FieldCondition: "field_answers",
    EventCondition: "event_answers",
    OccasionCondition: "occasion_answers",
    DealCondition: "deal_answers",
    SequenceCondition: "sequence_answers",
}
_BY_RANKS: dict[type[Leaf], str] = {
    ScoreCondition: "score_answers",
    TierCondition: "tier_answers",
    StageCondition: "stage_answers",
}


def _answer_by_facts(run: Derivation) -> None:
    """Answer the questions about fields, behaviours and deals of the leads in scope."""
    run.make(
        "lead_answers",
        "select null::smallint as question, null::varchar as lead_id, null::timestamptz as from_at,"
        " null::timestamptz as to_at limit 0",
    )
    asked = {type(leaf) for leaf in run.catalogue.questions}
    if DealCondition in asked:
        run.build("scope_deals", "deal_spans")
    if SequenceCondition in asked:
        _find_sequences(run)
    for kind, name in _BY_FACTS.items():
        if kind in asked:
            _take_answers(run, name)
    run.drop("scope_deals", "deal_spans", "sequence_ends")


def _take_answers(run: Derivation, name: str) -> None:
    run.build(name)
    run.connection.execute(f"insert into lead_answers by name select * from {name}")
    run.drop(name)


def _find_sequences(run: Derivation) -> None:
    longest = max(len(leaf.steps) for leaf in run.catalogue.questions if isinstance(leaf, SequenceCondition))
    run.build("sequence_acts", values={"position": 1})
    run.make("sequence_before", "select question, lead_id, occurred_at from sequence_acts")
    run.make(
        "sequence_ends",
        "select null::smallint as question, null::varchar as lead_id, null::timestamptz as occurred_at,"
        " null::interval as ended_within limit 0",
    )
    for position in range(2, longest + 1):
        run.build("sequence_acts", values={"position": position})
        run.build("sequence_reached")
        run.connection.execute(
            "insert into sequence_ends by name"
            " select question, lead_id, occurred_at, ended_within from sequence_reached where is_last"
        )
        run.make("sequence_before", "select question, lead_id, occurred_at from sequence_reached where not is_last")
    run.drop("sequence_acts", "sequence_before", "sequence_reached")


def _rank(run: Derivation) -> None:
    """Give points, and derive score, tier and stage of the leads in scope."""
    run.make(
        "condition_spans",
        "select null::varchar as condition, null::varchar as lead_id, null::timestamptz as from_at,"
        " null::timestamptz as to_at limit 0",
    )
    for name, condition in conditions_of(run.rules).items():
        if not name.startswith("segment "):
            query, values = spans_query(condition, run.catalogue)
            run.run(
                f"insert into condition_spans by name select $name as condition, * from ({query})",
                {**values, "name": name},
            )
    run.build("award_candidates")
    is_capped = any(rule.cap for rule in run.rules.scoring)
    _build_or_pass(run, "rule_capped_awards", "award_candidates", is_capped)
    _build_or_pass(run, "behaviour_awards", "rule_capped_awards", bool(run.rules.scoring_groups))
    run.build("award_steps", "lead_score_changes", "lead_score_points", "lead_tier_changes")
    run.build("award_instants")
    run.drop("award_steps", "behaviour_awards", "rule_capped_awards", "award_candidates")
    run.build("stage_moves", "lead_stage_changes")
    run.drop("stage_moves", "condition_spans")
    for table in RANKS:
        run.keep(table, "lead_id", "scope_replaced")


def _build_or_pass(run: Derivation, name: str, before: str, is_needed: bool) -> None:
    """Build a model, or where the rules have no use for it let its input pass through."""
    if is_needed:
        run.build(name)
    else:
        run.make(name, f"select * from {before}", kind="view")


def _place_in_segments(run: Derivation) -> None:
    """Answer what hangs on ranks and companies, and derive segments and the leads themselves."""
    asked = {type(leaf) for leaf in run.catalogue.questions}
    for kind, name in _BY_RANKS.items():
        if kind in asked:
            _take_answers(run, name)
    if AccountCondition in asked:
        run.build("account_member_answers")
        run.connection.execute(
            "insert into lead_answers by name"
            " select question, lead_id, from_at, to_at from merged_spans('account_member_answers')"
        )
    run.make(
        "segment_members",
        "select null::varchar as segment, null::varchar as lead_id, null::timestamptz as entered_at,"
        " null::timestamptz as left_at limit 0",
    )
    for segment in run.rules.segments:  # in order of reference
        query, values = spans_query(segment.where, run.catalogue)
        run.run(
            "insert into segment_members by name select $segment as segment, lead_id, from_at as entered_at,"
            f" case when to_at <= $as_of then to_at end as left_at from ({query})",
            {**values, "segment": segment.id},
        )
    run.build("lead_next_changes")
    run.load("lead_consents", "lead_suppressions", "lead_activity", "lead_accounts")
    run.make("leads", leads_query(run.rules.fields))
    for table in ("segment_members", "lead_next_changes", "leads"):
        run.keep(table, "lead_id", "scope_replaced")


def _derive_account_answers(run: Derivation) -> None:
    run.build("account_people", "account_acts", "account_scores", "account_answers")
    run.keep("account_answers", "account_id", "touched_accounts")
    run.drop("account_people", "account_acts", "account_scores", "account_answers")
    run.make(
        "leads_of_touched_accounts",
        "select lead_id from touched_leads union"
        " select lead_id from lead_accounts where account_id in (select account_id from touched_accounts)",
    )
