-- One row per mail whose row stays but for what is credited to it, of leads of whose mails others may be credited.
-- key: send_id
-- from: sends, told_sends, acting_leads, leads_in_full, mails_in_full
-- Acts from $acted_since on are credited anew, so mails delivered within the window before it are looked at; of leads
-- of whom all is looked at, every mail.
with leads as materialized (
    select acting_leads.lead_id
    from acting_leads
    anti join leads_in_full on acting_leads.lead_id = leads_in_full.lead_id
),

looked_at as (
    -- by their places, so that of most rows no more is read than these columns
    select sends.rowid as position
    from sends
    anti join told_sends on sends.send_id = told_sends.send_id
    where
        sends.current_lead_id in (select leads.lead_id from leads)
        and sends.delivered_at > $acted_since::timestamptz - $conversion_window::interval
)

select sends.*, sends.rowid as position
from sends
where sends.rowid in (select looked_at.position from looked_at)
union all
select mails_in_full.*
from mails_in_full
anti join told_sends on mails_in_full.send_id = told_sends.send_id
where
    mails_in_full.current_lead_id in (select acting_leads.lead_id from acting_leads)
    and mails_in_full.delivered_at is not null
