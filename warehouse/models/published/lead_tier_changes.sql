-- One row per change of a lead's tier, with the score it came to and what caused it.
-- key: lead_id, changed_at
-- from: lead_tier_changes
select lead_id, changed_at, from_tier, to_tier, score, cause, cause_event_id
from warehouse.lead_tier_changes
