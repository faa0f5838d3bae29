-- One row per lead of whose deals one differs and one was won, now or before.
-- key: lead_id
-- from: told_changes, deals
select told_changes.id as lead_id
from told_changes
inner join deals on told_changes.id = deals.lead_id
where told_changes.table_name = 'deals' and deals.status = 'won'
union
select told_changes.id as lead_id
from told_changes
inner join before.main.deals as deals_before on told_changes.id = deals_before.lead_id
where told_changes.table_name = 'deals' and deals_before.status = 'won'
