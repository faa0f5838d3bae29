-- Adds the events that are in order and not known yet, straight from the source.
-- from: load_kept, events
-- Where the source is not in order of time, an order follows: later reads of a span of time then touch few blocks.
insert into events by name
with named as (
    select
        case
            when record_key is not null then md5(concat_ws(chr(31), $key_space, 'id', record_key))::uuid
            else md5(concat_ws(chr(31), $key_space, 'row', md5(row_text), 1))::uuid
        end as event_id,
        $source as source,
        event_type,
        occurred_at,
        $as_of as received_at,
        email,
        external_id,
        visitor,
        url,
        asset,
        send_id,
        properties,
    from load_kept
)

select *
from named
where not exists (select 1 from events where events.event_id = named.event_id)
