-- One row per handoff, follow-up, notice or refusal of a lead by an instant.
-- key: kind, cause, decided_at, caused_at, notice_kind, recipient
-- from: handoffs, handoff_changes, handoff_decisions, notices, lead_aliases
-- A handoff stands as the engine knew it then; what sales said later is not told.
with aliases as (
    select alias_lead_id from lead_aliases
    where lead_id = $lead_id
),

own as (
    select * from ledger.handoffs
    where handed_off_at <= $as_of and lead_id in (select alias_lead_id from aliases)
),

changes as (
    select
        changes.*,
        own.cause,
        own.caused_at,
    from ledger.handoff_changes as changes
    inner join own on changes.handoff_id = own.handoff_id
),

known as (
    select
        handoff_id,
        arg_max(status, (changed_at, noted_at)) filter (status is not null) as status,
        arg_max(owner, (changed_at, noted_at)) as owner,
        -- NULL where the SFA named the owner
        arg_max_null(assigned_because, (changed_at, noted_at)) filter (owner is not null) as assigned_because,
        arg_max_null(coalesce(reject_reason, outcome), (changed_at, noted_at)) filter (status is not null) as outcome,
        min(
            coalesce(
                first_contact_at,
                case when status in ('contacted', 'meeting', 'won', 'lost') then changed_at end
            )
        ) as first_contact_at,
    from changes
    where noted_at <= $as_of
    group by handoff_id
)

select
    'handoff' as kind,
    own.cause,
    own.caused_at,
    own.handed_off_at as decided_at,
    -- a ledger older than the history of changes has the stand alone
    coalesce(
        known.status,
        case
            when own.handoff_id in (select handoff_id from changes where status is not null) then 'new'
            else own.status
        end
    ) as state,
    coalesce(known.owner, own.first_owner) as owner,
    own.due_at,
    coalesce(known.first_contact_at, case when own.first_contact_at <= $as_of then own.first_contact_at end)
        as first_contact_at,
    known.outcome,
    case when known.owner is null then own.assigned_because else known.assigned_because end as reason,
    null as notice_kind,
    null as recipient,
    own.rule_set_version,
from own
left join known on own.handoff_id = known.handoff_id
union all
select
    'follow_up' as kind,
    cause,
    caused_at,
    changed_at as decided_at,
    coalesce(status, 'reassigned') as state,
    owner,
    null as due_at,
    null as first_contact_at,
    coalesce(reject_reason, outcome) as outcome,
    source as reason,
    null as notice_kind,
    null as recipient,
    null as rule_set_version,
from changes
where noted_at <= $as_of
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
    null as reason,
    null as notice_kind,
    null as recipient,
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
    null as reason,
    kind as notice_kind,
    recipient,
    null as rule_set_version,
from ledger.notices
where planned_at <= $as_of and lead_id in (select alias_lead_id from aliases)
order by decided_at, kind, cause, notice_kind, recipient
