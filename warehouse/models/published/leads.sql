-- One row per lead: its fields, score, tier, stage and consent.
-- key: lead_id
-- from: leads
select * exclude (is_suppressed, is_opted_out)
from warehouse.leads
