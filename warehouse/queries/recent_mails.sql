-- One row: what became of the marketing mails sent of late, and how many the busiest of the last days had.
-- from: sends, send_outcomes, mail_blocks, suppression_records
-- A complaint or bounce that names no send is about the last mail to its address before it, unless another one to that
-- address is known to be meant: what events tell, the provider's lists tell again.
with sent as (
    select
        sends.send_id,
        sends.email,
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

bare as (
    select
        email,
        event_type = 'mail_spam_report' as is_complaint,
        occurred_at,
    from warehouse.mail_blocks
    where send_id is null and event_type in ('mail_spam_report', 'mail_bounce')
    union all
    select
        email,
        reason = 'spam_report' as is_complaint,
        occurred_at,
    from warehouse.suppression_records
    where source = 'sendgrid' and reason in ('spam_report', 'hard_bounce') and received_at <= $as_of
),

known as (
    select
        email,
        bool_or(complained_at is not null) as has_complained,
        bool_or(bounced_at is not null) as has_bounced,
    from sent
    group by email
),

meant as (
    select distinct
        sent.send_id,
        bare.is_complaint,
    from bare
    asof inner join sent on bare.email = sent.email and bare.occurred_at >= sent.sent_at
    inner join known on bare.email = known.email
    where not if(bare.is_complaint, known.has_complained, known.has_bounced)
),

told as (
    select
        sent_at,
        delivered_at,
        complained_at is not null or send_id in (select send_id from meant where is_complaint) as is_complained,
        bounced_at is not null or send_id in (select send_id from meant where not is_complaint) as is_bounced,
    from sent
),

days as (
    select
        timezone($timezone, sent_at)::date as day,
        count(*) as mails,
    from told
    group by day
)

select
    count(*) filter (sent_at > $as_of - $within) as mails,
    count(*) filter (sent_at > $as_of - $within and delivered_at is not null) as delivered,
    count(*) filter (sent_at > $as_of - $within and is_complained) as complained,
    count(*) filter (sent_at > $as_of - $within and is_bounced) as bounced,
    (select coalesce(max(mails), 0) from days where day = timezone($timezone, $as_of)::date) as today,
    (select coalesce(max(mails), 0) from days where day < timezone($timezone, $as_of)::date) as most_a_day,
from told
