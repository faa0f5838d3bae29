-- One row per send to look at anew: what changed, and every mail of a lead of whose mails one is credited with an act.
-- key: send_id
-- from: told_sends, credited_leads, asked_acts, sends, told_changes, lead_aliases
with credited as (
    select lead_id from asked_acts
    union
    -- what was credited may be no more
    select current_lead_id as lead_id
    from sends
    where converted_at is not null and current_lead_id in (select credited_leads.lead_id from credited_leads)
    union
    select id as lead_id
    from told_changes
    where table_name = 'lead_aliases'
),

known_as as (
    select lead_id from credited
    union
    select alias_lead_id as lead_id
    from warehouse.lead_aliases
    where lead_id in (select credited.lead_id from credited)
)

select send_id
from told_sends
union
select send_id
from ledger.sends
where lead_id in (select known_as.lead_id from known_as)
