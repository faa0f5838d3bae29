-- One row per send that its provider told something of: when it reached which state, and the first human reactions.
-- key: send_id
-- from: events
-- Machine opens stand in lead_events with their flag and are not counted here.
select
    send_id,
    min(occurred_at) filter (event_type in ('mail_processed', 'mail_deferred')) as processed_at,
    -- an open or a click proves a delivery whose own event was lost
    coalesce(
        min(occurred_at) filter (event_type = 'mail_delivered'),
        min(occurred_at) filter (event_type in ('mail_open', 'mail_click'))
    ) as delivered_at,
    min(occurred_at) filter (event_type = 'mail_bounce') as bounced_at,
    min(occurred_at) filter (event_type = 'mail_dropped') as dropped_at,
    min(occurred_at) filter (
        event_type = 'mail_open' and coalesce(properties['sg_machine_open'], 'false') != 'true'
    ) as opened_at,
    -- a click on the opt-out or preference link is no interest
    min(occurred_at) filter (
        event_type = 'mail_click'
        and not coalesce(
            starts_with(url, $own_url || '/u/') or starts_with(url, $own_url || '/preferences/'), false
        )
    ) as clicked_at,
    min(occurred_at) filter (event_type = 'mail_unsubscribe') as unsubscribed_at,
    min(occurred_at) filter (event_type = 'mail_spam_report') as complained_at,
from events
where send_id is not null and occurred_at <= $as_of and received_at <= $as_of
group by send_id
