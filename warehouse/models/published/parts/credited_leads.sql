-- One row per lead of whose mails others may be credited with what it did: its mails, its acts, or who it is differ.
-- key: lead_id
-- from: told_changes, told_sends, sends, lead_aliases
select id as lead_id
from told_changes
where table_name in ('lead_behaviours', 'lead_aliases')
union
select coalesce(aliases.lead_id, told.lead_id) as lead_id
from (select lead_id from ledger.sends where send_id in (select told_sends.send_id from told_sends)) as told
left join warehouse.lead_aliases as aliases on told.lead_id = aliases.alias_lead_id
