-- One row per send that its provider told something of: when it reached which state, and the first human reactions.
-- key: send_id
-- from: new_events, doubtful_sends, doubtful_events, scanner_clicks, named_mails, send_outcomes
-- What programs opened or clicked is not counted here. Everything is the earliest of its kind, so what is told anew is
-- laid over what is known; but for sends whose clicks are judged anew, of which all is told.
with outcome_events as (
    select
        event_type,
        occurred_at,
        send_id,
        url,
        event_type in ('mail_open', 'mail_click') and is_machine_reading(properties) as is_machine,
    from new_events
    anti join doubtful_sends using (send_id)
    where send_id is not null and event_type != 'mail_sent'
    union all
    select
        doubtful_events.event_type,
        doubtful_events.occurred_at,
        doubtful_events.send_id,
        doubtful_events.url,
        doubtful_events.event_type in ('mail_open', 'mail_click')
        and (is_machine_reading(doubtful_events.properties) or scanner_clicks.event_id is not null) as is_machine,
    from doubtful_events
    left join scanner_clicks on doubtful_events.event_id = scanner_clicks.event_id
    where doubtful_events.event_type != 'mail_sent'
    union all
    select event_type, occurred_at, send_id, null as url, false as is_machine
    from named_mails
),

told as (
    select
        send_id,
        min(occurred_at) filter (event_type in ('mail_processed', 'mail_deferred')) as processed_at,
        min(occurred_at) filter (event_type = 'mail_delivered') as delivery_told_at,
        min(occurred_at) filter (event_type in ('mail_open', 'mail_click')) as reacted_at,
        min(occurred_at) filter (event_type = 'mail_bounce') as bounced_at,
        min(occurred_at) filter (event_type = 'mail_dropped') as dropped_at,
        min(occurred_at) filter (
            event_type = 'mail_open' and not is_machine
        ) as opened_at,
        -- a click on the opt-out or preference link is no interest
        min(occurred_at) filter (
            event_type = 'mail_click'
            and not is_machine
            and not coalesce(
                starts_with(url, $own_url || '/u/') or starts_with(url, $own_url || '/preferences/'), false
            )
        ) as clicked_at,
        min(occurred_at) filter (event_type = 'mail_unsubscribe') as unsubscribed_at,
        min(occurred_at) filter (event_type = 'mail_spam_report') as complained_at,
    from outcome_events
    group by send_id
),

known as (
    -- found by their key alone, before the rest of their rows is read
    select
        send_outcomes.* replace (
            if(doubtful_sends.send_id is null, send_outcomes.opened_at, null) as opened_at,
            if(doubtful_sends.send_id is null, send_outcomes.clicked_at, null) as clicked_at
        )
    from send_outcomes
    left join doubtful_sends on send_outcomes.send_id = doubtful_sends.send_id
    where send_outcomes.rowid in (
        select known.rowid from send_outcomes as known where known.send_id in (select told.send_id from told)
    )
),

laid_over as (
    select
        told.send_id,
        least(told.processed_at, known.processed_at) as processed_at,
        least(told.delivery_told_at, known.delivery_told_at) as delivery_told_at,
        least(told.reacted_at, known.reacted_at) as reacted_at,
        least(told.bounced_at, known.bounced_at) as bounced_at,
        least(told.dropped_at, known.dropped_at) as dropped_at,
        least(told.opened_at, known.opened_at) as opened_at,
        least(told.clicked_at, known.clicked_at) as clicked_at,
        least(told.unsubscribed_at, known.unsubscribed_at) as unsubscribed_at,
        least(told.complained_at, known.complained_at) as complained_at,
    from told
    left join known on told.send_id = known.send_id
)

select
    *,
    -- an open or a click proves a delivery whose own event was lost
    coalesce(delivery_told_at, reacted_at) as delivered_at,
from laid_over
