-- One row per handoff of a lead to sales.
-- key: handoff_id
-- from: handoffs, lead_aliases
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
    ledger_handoffs.outcome,
    ledger_handoffs.reject_reason,
    ledger_handoffs.rule_set_version,
from ledger.handoffs as ledger_handoffs
left join warehouse.lead_aliases as aliases on ledger_handoffs.lead_id = aliases.alias_lead_id
