-- One row per handoff of a lead to sales.
-- key: handoff_id
-- from: handoffs
select
    handoff_id, lead_id, cause, cause_event_id, caused_at, owner, handed_off_at, due_at, second_due_at, status,
    first_contact_at, outcome, reject_reason, rule_set_version
from ledger.handoffs
