-- One row per handoff of a lead to sales.
-- key: handoff_id
-- from: handoffs, lead_aliases, handoff_changes
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
    ledger_handoffs.handoff_id,
    ledger_handoffs.lead_id,
    coalesce(aliases.lead_id, ledger_handoffs.lead_id) as current_lead_id,
    ledger_handoffs.cause,
    ledger_handoffs.cause_event_id,
    ledger_handoffs.caused_at,
    ledger_handoffs.owner,
    ledger_handoffs.first_owner,
    ledger_handoffs.route,
    ledger_handoffs.assigned_because,
    ledger_handoffs.handed_off_at,
    ledger_handoffs.due_at,
    ledger_handoffs.second_due_at,
    ledger_handoffs.reassigned_at,
    ledger_handoffs.status,
    ledger_handoffs.status_changed_at,
    ledger_handoffs.first_contact_at,
    case
        when met.handoff_id is not null then met.met_at
        -- whose history was not kept yet has the day of the first contact, or that of the handoff
        when ledger_handoffs.outcome in ('meeting', 'won') or ledger_handoffs.status in ('meeting', 'won')
            then coalesce(ledger_handoffs.first_contact_at, ledger_handoffs.handed_off_at)
    end as met_at,
    ledger_handoffs.outcome,
    ledger_handoffs.reject_reason,
    ledger_handoffs.rule_set_version,
from ledger.handoffs as ledger_handoffs
left join met on ledger_handoffs.handoff_id = met.handoff_id
left join warehouse.lead_aliases as aliases on ledger_handoffs.lead_id = aliases.alias_lead_id
