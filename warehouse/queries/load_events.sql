-- Adds the events that are not known yet.
-- from: load_stage, events
insert into events by name
with candidates as (
    select
        *,
        case
            when record_key is not null then md5(concat_ws(chr(31), $key_space, 'id', record_key))
            else md5(concat_ws(chr(31), $key_space, 'row', row_hash, ordinal))
        end as event_id,
    from load_stage
    where fault is null
    qualify row_number() over (partition by event_id order by file, line, row_number) = 1
)

select
    event_id,
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
    attributes as properties,
from candidates
where not exists (select 1 from events where events.event_id = candidates.event_id)
order by occurred_at, event_id  -- later reads of a span of time touch few blocks
