-- One row per click of a judged send that a mail gateway made: at once, on several links as the mail came in, or close
-- to one on the link that no person sees. Pages that were opened by a link are judged like clicks, and are a gateway's
-- also where one of its clicks is close.
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
        doubtful_events.event_type,
        doubtful_events.send_id,
        doubtful_events.occurred_at,
        doubtful_events.url,
        epoch_us(doubtful_events.occurred_at) - epoch_us(deliveries.delivered_at) as after_us,
        coalesce(starts_with(doubtful_events.url, $own_url || '/trap/'), false) as is_trap,
    from doubtful_events
    left join deliveries on doubtful_events.send_id = deliveries.send_id
    where doubtful_events.event_type in ('mail_click', 'link_visit')
),

scanned as (
    -- a click and the visit it leads to name the same page in other words
    select send_id
    from clicks
    where after_us <= $scanned
    group by send_id, event_type
    having count(distinct url) > 1
),

trapped as (
    select clicks.event_id
    from clicks
    inner join clicks as traps on clicks.send_id = traps.send_id and traps.is_trap
    where abs(epoch_us(clicks.occurred_at) - epoch_us(traps.occurred_at)) <= $trap
),

scans as (
    select *
    from clicks
    where
        after_us <= $at_once
        or (after_us <= $scanned and send_id in (select scanned.send_id from scanned))
        or event_id in (select trapped.event_id from trapped)
)

select event_id, send_id from scans
union
select visits.event_id, visits.send_id
from clicks as visits
inner join scans on visits.send_id = scans.send_id and scans.event_type = 'mail_click'
where
    visits.event_type = 'link_visit'
    and abs(epoch_us(visits.occurred_at) - epoch_us(scans.occurred_at)) <= $trap
