-- One row per lead and part of its journey of which something is gone: the part is made of all there is of the lead.
-- key: lead_id, part
-- from: old_mails, new_mails, changed_segment_members, changed_lead_tier_changes
-- A journey is made of first times. So all other parts are what they were, and what came newly.
with stayed as (
    select
        old_mails.current_lead_id as lead_id,
        coalesce(old_mails.sent_at, old_mails.delivered_at) as old_mailed_at,
        coalesce(new_mails.sent_at, new_mails.delivered_at) as new_mailed_at,
        old_mails.clicked_at as old_clicked_at,
        new_mails.clicked_at as new_clicked_at,
    from old_mails
    -- a mail that went to another lead is none of this one's any more
    left join new_mails
        on old_mails.send_id = new_mails.send_id and old_mails.current_lead_id = new_mails.current_lead_id
)

select lead_id, 'mails' as part
from stayed
where
    (old_mailed_at is not null and old_mailed_at is distinct from new_mailed_at)
    or (old_clicked_at is not null and old_clicked_at is distinct from new_clicked_at)
union
select lead_id, 'stays' as part
from changed_segment_members
group by lead_id, segment
having max(times) < 0
union
select lead_id, 'tiers' as part
from changed_lead_tier_changes
where times < 0 and to_tier = 'hot'
