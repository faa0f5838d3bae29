-- One row per handoff, notice or refusal of a lead by an instant.
-- key: kind, cause, decided_at, caused_at
-- from: handoffs, handoff_decisions, notices, lead_aliases
-- What sales did is told as the SFA has it now: the ledger keeps no history of it but when first contact was made.
with aliases as (
    select alias_lead_id from lead_aliases
    where lead_id = $lead_id
)

select
    'handoff' as kind,
    cause,
    caused_at,
    handed_off_at as decided_at,
    status as state,
    owner,
    due_at,
    case when first_contact_at <= $as_of then first_contact_at end as first_contact_at,
    coalesce(outcome, reject_reason) as outcome,
    rule_set_version,
from ledger.handoffs
where handed_off_at <= $as_of and lead_id in (select alias_lead_id from aliases)
union all
select
    'refused' as kind,
    cause,
    caused_at,
    decided_at,
    decision as state,
    null as owner,
    null as due_at,
    null as first_contact_at,
    null as outcome,
    rule_set_version,
from ledger.handoff_decisions
where decided_at <= $as_of and lead_id in (select alias_lead_id from aliases)
union all
select
    'notice' as kind,
    cause,
    null as caused_at,
    planned_at as decided_at,
    case when state_changed_at <= $as_of then state else 'planned' end as state,
    owner,
    null as due_at,
    null as first_contact_at,
    case when state_changed_at <= $as_of then state_reason end as outcome,
    null as rule_set_version,
from ledger.notices
where planned_at <= $as_of and lead_id in (select alias_lead_id from aliases)
order by decided_at, kind, cause
