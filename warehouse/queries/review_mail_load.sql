-- One row per segment and number of marketing mails that a member got in one of the last weeks: how often that was so.
-- key: segment, mails
-- from: review_weeks, sends, segment_members
with mailed as (
    select
        members.segment,
        sends.current_lead_id,
        weeks.number,
        count(*) as mails,
    from review_weeks as weeks
    inner join sends on sends.sent_at >= weeks.started_at and sends.sent_at < weeks.ended_at
    inner join segment_members as members
        on
            sends.current_lead_id = members.lead_id
            and sends.sent_at >= members.entered_at
            and (members.left_at is null or sends.sent_at < members.left_at)
    where weeks.number < $weeks and sends.category = 'marketing' and sends.delivered_at is not null
    group by all
)

select
    segment,
    mails,
    count(*) as times,
from mailed
group by segment, mails
order by segment, mails
