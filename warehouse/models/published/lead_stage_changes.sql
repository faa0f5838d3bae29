-- One row per change of a lead's purchase stage, with what caused it.
-- key: lead_id, changed_at
-- from: lead_stage_changes
select lead_id, changed_at, from_stage, to_stage, cause, cause_event_id
from warehouse.lead_stage_changes
