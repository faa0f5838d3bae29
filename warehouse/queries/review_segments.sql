-- One row per segment and week: marketing mails delivered to its members, and what they did with them by its end.
-- key: segment, number
-- from: review_weeks, sends, segment_members
-- As for the metrics: each week's mails have had the same time.
select
    members.segment,
    weeks.number,
    count(*) as delivered,
    count(*) filter (where sends.opened_at < weeks.ended_at) as opened,
    count(*) filter (where sends.unsubscribed_at < weeks.ended_at or sends.complained_at < weeks.ended_at) as left_us,
from review_weeks as weeks
inner join sends on sends.sent_at >= weeks.started_at and sends.sent_at < weeks.ended_at
inner join segment_members as members
    on
        sends.current_lead_id = members.lead_id
        and sends.sent_at >= members.entered_at
        and (members.left_at is null or sends.sent_at < members.left_at)
where sends.category = 'marketing' and sends.delivered_at < weeks.ended_at
group by members.segment, weeks.number
order by members.segment, weeks.number
