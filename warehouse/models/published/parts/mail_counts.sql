-- One row per local date, scenario, step, variant and segment of the mails looked at: their counts.
-- key: date, scenario, step, variant, segment
-- from: sends, send_decisions
-- A mail that was decided on has a row in sends from then on; of the others there is but the decision.
with keyed as (
    select
        (coalesce(sent_at, planned_at) at time zone $timezone)::date as date,
        scenario,
        step,
        variant,
        segment,
        state in ('accepted', 'delivered', 'bounced', 'dropped') as is_sent,
        delivered_at is not null as is_delivered,
        opened_at is not null as is_opened,
        clicked_at is not null as is_clicked,
        converted_at is not null as is_converted,
        state = 'bounced' as is_bounced,
        unsubscribed_at is not null as is_unsubscribed,
        complained_at is not null as is_complained,
    from sends
    union all
    select
        (decided_at at time zone $timezone)::date as date,
        scenario,
        step,
        variant,
        segment,
        false as is_sent,
        false as is_delivered,
        false as is_opened,
        false as is_clicked,
        false as is_converted,
        false as is_bounced,
        false as is_unsubscribed,
        false as is_complained,
    from send_decisions
    where is_final and decision != 'sent'
)

select
    date,
    scenario,
    step,
    variant,
    segment,
    count(*) as targeted,
    count(*) filter (is_sent) as sent,
    count(*) filter (is_delivered) as delivered,
    count(*) filter (is_opened) as opened,
    count(*) filter (is_clicked) as clicked,
    count(*) filter (is_converted) as converted,
    count(*) filter (is_bounced) as bounced,
    count(*) filter (is_unsubscribed) as unsubscribed,
    count(*) filter (is_complained) as complained,
from keyed
group by date, scenario, step, variant, segment
