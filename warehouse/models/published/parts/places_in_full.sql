-- One row per mail published of the leads all of whose mails are looked at, and of those who bought: where it stands.
-- key: position
-- from: sends, leads_in_full, buying_leads
select
    current_lead_id,
    rowid as position,
from sends
where current_lead_id in (
    select leads_in_full.lead_id from leads_in_full
    union
    select buying_leads.lead_id from buying_leads
)
