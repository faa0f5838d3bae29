-- One row per lead whose way from the first contact to a deal may differ from that of the publication before.
-- key: lead_id
-- from: told_changes, changed_leads, old_mails, new_mails
select id as lead_id
from told_changes
where table_name in ('lead_activity', 'lead_starts', 'lead_first_records')
union
select lead_id
from changed_leads
union
select current_lead_id as lead_id
from old_mails
union
select current_lead_id as lead_id
from new_mails
