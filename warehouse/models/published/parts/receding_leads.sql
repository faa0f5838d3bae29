-- One row per lead of whom something is no more that its journey may rest on: it is made of all there is of the lead.
-- key: lead_id
-- from: old_mails, new_mails, changed_segment_members, changed_lead_tier_changes
-- A journey is made of first times. So of all other leads it is what it was, and what came newly.
with gone as (
    select
        old_mails.current_lead_id as lead_id,
        coalesce(old_mails.sent_at, old_mails.delivered_at) as old_mailed_at,
        case when new_mails.current_lead_id = old_mails.current_lead_id
            then coalesce(new_mails.sent_at, new_mails.delivered_at)
        end as new_mailed_at,
        old_mails.clicked_at as old_clicked_at,
        case when new_mails.current_lead_id = old_mails.current_lead_id then new_mails.clicked_at end as new_clicked_at,
    from old_mails
    left join new_mails on old_mails.send_id = new_mails.send_id
)

select lead_id
from gone
where
    (old_mailed_at is not null and old_mailed_at is distinct from new_mailed_at)
    or (old_clicked_at is not null and old_clicked_at is distinct from new_clicked_at)
union
select lead_id
from changed_segment_members
group by lead_id, segment
having max(times) < 0
union
select lead_id
from changed_lead_tier_changes
where times < 0 and to_tier = 'hot'
