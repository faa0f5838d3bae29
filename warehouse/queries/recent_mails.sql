-- One row: what became of the marketing mails sent of late, and how many the busiest of the last days had.
-- from: sends, send_outcomes
with sent as (
    select
        sends.sent_at,
        outcomes.delivered_at,
        outcomes.complained_at,
        outcomes.bounced_at,
    from sends
    left join warehouse.send_outcomes as outcomes on sends.send_id = outcomes.send_id
    where
        sends.category = 'marketing'
        and sends.sent_at > $as_of - greatest($within, interval 28 days)
        and sends.sent_at <= $as_of
),

days as (
    select
        timezone($timezone, sent_at)::date as day,
        count(*) as mails,
    from sent
    group by day
)

select
    count(*) filter (sent_at > $as_of - $within) as mails,
    count(*) filter (sent_at > $as_of - $within and delivered_at is not null) as delivered,
    count(*) filter (sent_at > $as_of - $within and complained_at is not null) as complained,
    count(*) filter (sent_at > $as_of - $within and bounced_at is not null) as bounced,
    (select coalesce(max(mails), 0) from days where day = timezone($timezone, $as_of)::date) as today,
    (select coalesce(max(mails), 0) from days where day < timezone($timezone, $as_of)::date) as most_a_day,
from sent
