-- Moves sends to what their provider has told of them since, up to what has come in after the last recompute. Evidence
-- also ends the state unknown, and holds back a send that was about to be tried again.
update sends
set
    state = told.state,
    state_reason = null,
    sent_at = coalesce(sent_at, told.processed_at),
    state_changed_at = told.changed_at,
    noted_at = $as_of
from (
    with fresh as (
        select
            send_id,
            min(occurred_at) filter (event_type in ('mail_processed', 'mail_deferred')) as processed_at,
            min(occurred_at) filter (event_type in ('mail_delivered', 'mail_open', 'mail_click')) as delivered_at,
            min(occurred_at) filter (event_type = 'mail_bounce') as bounced_at,
            min(occurred_at) filter (event_type = 'mail_dropped') as dropped_at,
        from warehouse.events
        where
            (rowid >= (select derivation.events from warehouse.derivation) or received_at >= $recomputed_at)
            and received_at <= $as_of
            and occurred_at <= $as_of
            and send_id is not null
            and event_type in (
                'mail_processed', 'mail_deferred', 'mail_delivered', 'mail_open', 'mail_click', 'mail_bounce',
                'mail_dropped'
            )
        group by send_id
    ),

    known as (
        select
            send_id,
            least(outcomes.processed_at, fresh.processed_at) as processed_at,
            least(outcomes.delivered_at, fresh.delivered_at) as delivered_at,
            least(outcomes.bounced_at, fresh.bounced_at) as bounced_at,
            least(outcomes.dropped_at, fresh.dropped_at) as dropped_at,
        from warehouse.send_outcomes as outcomes
        full join fresh using (send_id)
    )

    select
        send_id,
        case
            when bounced_at is not null then 'bounced'
            when dropped_at is not null and delivered_at is null then 'dropped'
            when delivered_at is not null then 'delivered'
            else 'accepted'
        end as state,
        coalesce(
            bounced_at,
            case when delivered_at is null then dropped_at end,
            delivered_at,
            processed_at
        ) as changed_at,
        coalesce(processed_at, delivered_at, bounced_at, dropped_at) as processed_at,
    from known
    where coalesce(bounced_at, dropped_at, delivered_at, processed_at) is not null
) as told
where
    sends.send_id = told.send_id
    and (
        sends.state in ('planned', 'claimed', 'sending', 'unknown', 'accepted', 'delivered')
        -- one that rode, was released, and was then given up
        or sends.state = 'cancelled'
    )
    and sends.state != told.state
    -- a late "processed" does not undo a delivery
    and not (sends.state in ('delivered') and told.state = 'accepted')
