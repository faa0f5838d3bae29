-- One row per address that mail was delivered to, with when last; per send, as send:id, where events name it alone.
-- key: delivered_to
-- from: arrived_events, last_deliveries
-- It ends a row of soft bounces. The latest is the same in whatever order deliveries are told.
with told as (
    select
        coalesce(email, 'send:' || send_id) as delivered_to,
        max(least(occurred_at, received_at)) as delivered_at,
    from arrived_events
    where event_type = 'mail_delivered' and coalesce(email, send_id) is not null
    group by delivered_to
),

known as (
    -- few of the many addresses are told of anew
    select *
    from last_deliveries
    where delivered_to in (select told.delivered_to from told)
)

select
    told.delivered_to,
    greatest(told.delivered_at, known.delivered_at) as delivered_at,
from told
left join known on told.delivered_to = known.delivered_to
