-- One row per lead of whose mails others may be credited with what it did: it has acted, or what was credited is gone.
-- key: lead_id
-- from: asked_acts, sends, mails_in_full, credited_leads
select lead_id from asked_acts
union
select current_lead_id as lead_id
from sends
where
    converted_at >= $acted_since
    and current_lead_id in (select credited_leads.lead_id from credited_leads)
union
select current_lead_id as lead_id
from mails_in_full
where
    converted_at is not null
    and current_lead_id in (select credited_leads.lead_id from credited_leads)
