-- One row per lead whose way from the first contact to a deal may differ from that of the publication before.
-- key: lead_id
-- from: told_changes, changed_leads, changed_sends, sends
select id as lead_id
from told_changes
where table_name in ('leads', 'lead_aliases', 'lead_tier_changes', 'deals')
union
select lead_id
from changed_leads
union
select current_lead_id as lead_id
from sends
where send_id in (select changed_sends.send_id from changed_sends)
