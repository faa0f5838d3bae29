-- One row per lead of those whose journey is made anew that a source has told of: which, and when.
-- key: lead_id
-- from: old_lead_journeys, newly_known_leads, lead_first_records
-- Of most leads the source of the first contact that their journey had stands for all that told of them.
select lead_id, known_at, source
from warehouse.lead_first_records
where lead_id in (select newly_known_leads.lead_id from newly_known_leads)
union all
select lead_id, first_contact_at as known_at, source
from old_lead_journeys
where lead_id not in (select newly_known_leads.lead_id from newly_known_leads)
