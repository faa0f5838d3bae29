-- Adds an event for each mail that left and is not known yet.
-- from: new_sends, events
insert into events by name
with named as (
    select
        md5(concat_ws(chr(31), 'ledger', 'id', send_id))::uuid as event_id,
        *,
    from new_sends
)

select
    event_id,
    'ledger' as source,
    'mail_sent' as event_type,
    sent_at as occurred_at,
    $as_of as received_at,
    email,
    send_id,
    map {'scenario': scenario, 'step': step} as properties,
from named
where not exists (select 1 from events where events.event_id = named.event_id)
order by occurred_at, event_id
