-- One row per hot lead that was not handed off, and why.
-- key: lead_id, cause_event_id
-- from: handoff_decisions
select lead_id, cause, cause_event_id, caused_at, decision, decided_at, rule_set_version
from ledger.handoff_decisions
