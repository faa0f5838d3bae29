-- One row per local date, scenario, step, variant and segment of the mails looked at: their counts.
-- key: date, scenario, step, variant, segment
-- from: send_decisions, sends
with keyed as (
    select
        (coalesce(sends.sent_at, send_decisions.decided_at) at time zone $timezone)::date as date,
        send_decisions.scenario,
        send_decisions.step,
        send_decisions.variant,
        send_decisions.segment,
        sends.state in ('accepted', 'delivered', 'bounced', 'dropped') as is_sent,
        sends.delivered_at is not null as is_delivered,
        sends.opened_at is not null as is_opened,
        sends.clicked_at is not null as is_clicked,
        sends.converted_at is not null as is_converted,
        coalesce(sends.state = 'bounced', false) as is_bounced,
        sends.unsubscribed_at is not null as is_unsubscribed,
        sends.complained_at is not null as is_complained,
    from send_decisions
    left join sends on send_decisions.send_id = sends.send_id
    where send_decisions.is_final
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
