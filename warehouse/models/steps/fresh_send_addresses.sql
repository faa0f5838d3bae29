-- One row per send that an event names without saying whom it went to, with the address, where another fact tells it.
-- key: send_id
-- from: arrived_events, arrived_send_records, send_addresses, events, send_records
with bare as (
    select send_id
    from arrived_events
    where send_id is not null and email is null and external_id is null
    union
    -- told of now, and asked for before
    select send_id from arrived_events
    where email is not null and send_id in (select send_id from send_addresses)
    union
    select send_id from arrived_send_records
    where send_id in (select send_id from send_addresses)
),

told as (
    select send_id, arg_min(email, (occurred_at, event_id)) as email
    from events
    where send_id in (select send_id from bare) and email is not null and received_at <= $as_of
    group by send_id
),

noted as (
    select send_id, any_value(email) as email
    from send_records
    where send_id in (select send_id from bare) and received_at <= $as_of
    group by send_id
)

select
    bare.send_id,
    coalesce(told.email, noted.email) as email,
from bare
left join told on bare.send_id = told.send_id
left join noted on bare.send_id = noted.send_id
