-- One row per lead of whom anything has changed that its way from the first contact to a deal is made of: what changes
-- that way most, as it was published before, and where that stands.
-- key: lead_id
-- from: lead_journeys, told_changes, changed_leads, old_mails, new_mails
with looked_at as (
    select id as lead_id
    from told_changes
    where table_name in ('lead_activity', 'lead_starts', 'lead_first_records')
    union
    select lead_id
    from changed_leads
    union
    select current_lead_id as lead_id
    from old_mails
    union
    select current_lead_id as lead_id
    from new_mails
)

select lead_id, mailed_at, clicked_at, segments, scenarios, rowid as position
from lead_journeys
where lead_id in (select looked_at.lead_id from looked_at)
