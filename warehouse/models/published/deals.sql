-- One row per deal: its latest state.
-- key: source, deal_id
-- from: deals
select source, deal_id, lead_id, status, amount, created_at, won_at, changed_at
from warehouse.deals
