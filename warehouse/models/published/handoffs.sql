-- One row per handoff of a lead to sales.
-- key: handoff_id
-- from: scope_handoffs, scope_aliases, handoff_changes
with met as (
    -- what was won has been a meeting, though nobody said so in between; what was lost may never have come to one
    select
        handoff_id,
        min(changed_at) as met_at,
    from ledger.handoff_changes
    where status in ('meeting', 'won')
    group by handoff_id
)

select
    made.handoff_id,
    made.lead_id,
    coalesce(aliases.lead_id, made.lead_id) as current_lead_id,
    made.cause,
    made.cause_event_id,
    made.caused_at,
    made.owner,
    made.first_owner,
    made.route,
    made.assigned_because,
    made.handed_off_at,
    made.due_at,
    made.second_due_at,
    made.reassigned_at,
    made.status,
    made.status_changed_at,
    made.first_contact_at,
    case
        when met.handoff_id is not null then met.met_at
        -- whose history was not kept yet has the day of the first contact, or that of the handoff
        when made.outcome in ('meeting', 'won') or made.status in ('meeting', 'won')
            then coalesce(made.first_contact_at, made.handed_off_at)
    end as met_at,
    made.outcome,
    made.reject_reason,
    made.rule_set_version,
from scope_handoffs as made
left join met on made.handoff_id = met.handoff_id
left join scope_aliases as aliases on made.lead_id = aliases.alias_lead_id
