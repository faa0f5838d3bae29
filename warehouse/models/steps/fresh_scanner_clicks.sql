-- One row per click of a judged send that a mail gateway made: at once, on several links as the mail came in, or close
-- to one on the link that no person sees.
-- key: event_id
-- from: doubtful_events
with deliveries as (
    select send_id, min(occurred_at) as delivered_at
    from doubtful_events
    where event_type = 'mail_delivered'
    group by send_id
),

clicks as (
    select
        doubtful_events.event_id,
        doubtful_events.send_id,
        doubtful_events.occurred_at,
        doubtful_events.url,
        epoch_us(doubtful_events.occurred_at) - epoch_us(deliveries.delivered_at) as after_us,
        coalesce(starts_with(doubtful_events.url, $own_url || '/trap/'), false) as is_trap,
    from doubtful_events
    left join deliveries on doubtful_events.send_id = deliveries.send_id
    where doubtful_events.event_type = 'mail_click'
),

scanned as (
    select send_id
    from clicks
    where after_us <= $scanned
    group by send_id
    having count(distinct url) > 1
),

trapped as (
    select clicks.event_id
    from clicks
    inner join clicks as traps on clicks.send_id = traps.send_id and traps.is_trap
    where abs(epoch_us(clicks.occurred_at) - epoch_us(traps.occurred_at)) <= $trap
)

select event_id, send_id
from clicks
where
    after_us <= $at_once
    or (after_us <= $scanned and send_id in (select scanned.send_id from scanned))
    or event_id in (select trapped.event_id from trapped)
