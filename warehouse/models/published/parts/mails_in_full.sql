-- One row per mail published of the leads all of whose mails are looked at, and where it stands.
-- key: send_id
-- from: sends, places_in_full, leads_in_full
select sends.*, sends.rowid as position
from sends
where sends.rowid in (
    select places_in_full.position
    from places_in_full
    where places_in_full.current_lead_id in (select leads_in_full.lead_id from leads_in_full)
)
