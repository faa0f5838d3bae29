-- Adds the events that are not known yet.
-- from: load_stage, events
insert into events by name
with named as (
    select
        row_number,
        case
            when record_key is not null then md5(concat_ws(chr(31), $key_space, 'id', record_key))::uuid
            else md5(concat_ws(chr(31), $key_space, 'row', row_hash, ordinal))::uuid
        end as event_id,
    from load_stage
    where fault is null
),

fresh as (
    select
        event_id,
        min(row_number) as row_number,
    from named
    where not exists (select 1 from events where events.event_id = named.event_id)
    group by event_id
)

select
    fresh.event_id,
    $source as source,
    load_stage.event_type,
    load_stage.occurred_at,
    $as_of as received_at,
    load_stage.email,
    load_stage.external_id,
    load_stage.visitor,
    load_stage.url,
    load_stage.asset,
    load_stage.send_id,
    load_stage.attributes as properties,
from load_stage
inner join fresh on load_stage.row_number = fresh.row_number
order by load_stage.occurred_at, fresh.event_id  -- later reads of a span of time touch few blocks
