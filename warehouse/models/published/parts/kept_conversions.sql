-- One row per mail that stays credited with what a lead did before it was to be credited anew.
-- key: send_id
-- from: old_mails, kept_mails, credited_leads
-- A mail may have been told anew for its state alone, and what its lead did is credited as before.
select
    mails.send_id,
    mails.converted_at,
from (
    select send_id, current_lead_id, converted_at from old_mails
    union all
    select send_id, current_lead_id, converted_at from kept_mails
) as mails
left join credited_leads on mails.current_lead_id = credited_leads.lead_id
where
    mails.converted_at is not null
    and (credited_leads.lead_id is null or mails.converted_at < credited_leads.earliest_at)
