-- One row per lead that turned, or whose segments differ from those of the publication before.
-- key: lead_id
-- from: turned_leads, told_changes
select lead_id from turned_leads
union
select id as lead_id
from told_changes
where table_name = 'segment_members'
