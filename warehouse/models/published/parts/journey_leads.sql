-- One row per lead of those whose journey is made anew: when it was first known.
-- key: lead_id
-- from: old_lead_journeys, newly_known_leads, leads
select lead_id, created_at
from warehouse.leads
where lead_id in (select newly_known_leads.lead_id from newly_known_leads)
union all
select lead_id, first_contact_at as created_at
from old_lead_journeys
where lead_id not in (select newly_known_leads.lead_id from newly_known_leads)
