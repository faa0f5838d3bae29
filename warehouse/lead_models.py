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

LEADS_AT_A_TIME = 1_250_000
BEHAVIOURS_AT_A_TIME = 15_000_000
"""How many of each a part holds; with what follows from them, some two gigabytes."""

ACTIVITY = ("lead_activity", "lead_starts")
PEOPLE = (
    "lead_aliases", "lead_first_records", "lead_attribute_history", "lead_attributes", "lead_consents",
    "lead_suppressions",
)  # fmt: skip
RANKS = ("lead_score_points", "lead_score_changes", "lead_tier_changes", "lead_stage_changes")


def derive_people(run: Derivation) -> None:
    """Derive what is known of people whatever the rules say of their behaviour, and their companies.

    Leaves behind ``moved_leads``: those whose company may have changed; and ``old_accounts``, which these belonged to.
    """
    run.scope_is_all = run.is_first
    run.make("scope_leads", "select lead_id from active_people")
    run.make_scope("scope_identities", "lead_identities")
    for table in ACTIVITY:
        run.build_kept(table, "lead_id", "replaced_active")
    run.drop(*ACTIVITY)
    if run.is_first or run.has_rows("replaced_people"):
        run.make("scope_leads", "select lead_id from changed_people")
        run.make_scope("scope_identities", "lead_identities")
        run.build("told_attributes", "title_levels")
        for table in PEOPLE:
            run.build_kept(table, "lead_id", "replaced_people")
        run.build_kept("deals", "source, deal_id", "deals")
        _find_companies(run)
    else:
        run.make("moved_leads", "select null::varchar as lead_id limit 0")
        run.make("old_accounts", "select null::varchar as account_id limit 0")
    run.drop("told_attributes", "title_levels", "scope_identities", "scope_leads", "deals", *PEOPLE)


def _find_companies(run: Derivation) -> None:
    run.make(
        "old_company_keys", "select * from lead_company_keys where lead_id in (select lead_id from replaced_people)"
    )
    run.build_kept("lead_company_keys", "lead_id", "replaced_people")
    run.drop("lead_company_keys")
    for sign in ("domain", "name"):
        run.build(f"affected_{sign}s", f"fresh_{sign}_accounts")
        run.make(
            f"changed_{sign}s",
            f"select coalesce(fresh.value, known.value) as value from fresh_{sign}_accounts as fresh"
            f" full join (from account_{sign}s where value in (select {sign} from affected_{sign}s)) as known"
            " on fresh.value = known.value where fresh.account_id is distinct from known.account_id",
        )
        run.make(f"replaced_{sign}s", f"select {sign} as value from affected_{sign}s")
        run.replace(f"account_{sign}s", f"fresh_{sign}_accounts", "value", f"replaced_{sign}s")
    run.build("account_moves")
    run.make("moved_leads", "select lead_id from replaced_people union select lead_id from account_moves")
    run.make(
        "old_accounts",
        "select distinct account_id from lead_accounts where lead_id in (select lead_id from moved_leads)",
    )
    run.build_kept("lead_accounts", "lead_id", "moved_leads")
    run.drop("lead_accounts")
    run.drop(
        "old_company_keys", "affected_domains", "affected_names", "fresh_domain_accounts", "fresh_name_accounts",
        "changed_domains", "changed_names", "replaced_domains", "replaced_names", "account_moves",
    )  # fmt: skip


def derive_leads(run: Derivation) -> None:
    """Derive points, ranks and segments of all touched leads, a part at a time."""
    asks_accounts = run.catalogue.asks_accounts
    run.build("touched_accounts")
    for part in _parts(run, "touched_leads"):
        run.report(f"scores, tiers and stages{part}")
        _load_asked_fields(run)
        run.load("lead_starts")
        run.make_scope("scope_identities", "lead_identities")
        if run.is_full and run.scope_is_all:
            run.make("scope_behaviours", "select * from placed_behaviours", kind="view")
        else:
            run.build("scope_behaviours")
        run.build("uncounted_behaviours", "lead_behaviours")
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
    if asks_accounts:
        run.settle("lead_next_changes")
        _derive_account_answers(run)
        for part in _parts(run, "leads_of_touched_accounts"):
            run.report(f"segments{part}")
            _load_asked_fields(run)
            run.load("lead_starts", "lead_behaviours", *RANKS)
            run.make(
                "award_instants",
                f"select lead_id, award_at from {run.main('lead_next_changes')}"
                " where lead_id in (select lead_id from scope_leads) and award_at is not null",
            )
            run.make_scope("scope_identities", "lead_identities")
            _answer_by_facts(run)
            _place_in_segments(run)
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
    run.scope_is_all = run.is_full and count == 1
    before = run.temporary_tables
    for part in range(1, count + 1):
        _scope(run, f"select lead_id from part_leads where part = {part}")
        yield f" ({part} of {count})" if count > 1 else ""
        run.drop_all(but=before)
    run.drop("part_leads")


def _scope(run: Derivation, query: str) -> None:
    run.make("scope_leads", query)
    run.make(
        "scope_replaced",
        "select lead_id from scope_leads union"
        " select old_lead_id as lead_id from renamed_leads where lead_id in (select lead_id from scope_leads)",
    )


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


def _load_asked_fields(run: Derivation) -> None:
    """Make ``lead_attribute_history`` what the leads in scope were told of the fields that the rules ask about."""
    asked = f"(from {run.main('lead_attribute_history')} where field in (select field from rule_field_questions))"
    run.make_scope("lead_attribute_history", asked)


def _take_answers(run: Derivation, name: str) -> None:
    run.build(name)
    run.connection.execute(f"insert into lead_answers by name select * from {name}")
    run.drop(name)


def _find_sequences(run: Derivation) -> None:
    """Make ``sequence_ends``: the acts that end a sequence, found step by step."""
    longest = max(len(leaf.steps) for leaf in run.catalogue.questions if isinstance(leaf, SequenceCondition))
    run.build("sequence_acts")
    run.make("sequence_before", "select question, lead_id, occurred_at from sequence_acts")
    ends = []
    for position in range(2, longest + 1):
        run.build("sequence_reached", values={"position": position})
        run.make(
            f"sequence_ends_{position}",
            "select question, lead_id, occurred_at, ended_within_us from sequence_reached where is_last",
        )
        ends.append(f"from sequence_ends_{position}")
        run.make("sequence_before", "select question, lead_id, occurred_at from sequence_reached where not is_last")
    run.make("sequence_ends", " union all ".join(ends), kind="view")
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
    _build_or_pass(run, "rule_capped_awards", "award_candidates", any(rule.cap for rule in run.rules.scoring))
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
    run.load("lead_attributes", "lead_consents", "lead_suppressions", "lead_activity", "lead_accounts")
    run.build("blocked_domains")
    run.make("leads", leads_query(run.rules.fields))
    for table in ("segment_members", "lead_next_changes", "leads"):
        run.keep(table, "lead_id", "scope_replaced")
    if not run.is_full:
        # not compared: scores and points of most leads in scope differ
        run.tell_changed("leads", "select lead_id as id, null::timestamptz as earliest_at from scope_replaced")


def _derive_account_answers(run: Derivation) -> None:
    run.build("account_people", "account_acts", "account_scores", "account_answers")
    run.keep("account_answers", "account_id", "touched_accounts")
    run.drop("account_people", "account_acts", "account_scores", "account_answers")
    run.make(
        "leads_of_touched_accounts",
        "select lead_id from touched_leads union"
        " select lead_id from lead_accounts where account_id in (select account_id from touched_accounts)",
    )
