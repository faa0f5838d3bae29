-- Adds what a source newly tells about people.
-- from: load_stage, load_values, lead_records
-- A row with a stamp is known once it was loaded with what fits of it; where a field was added or takes other values
-- since, the row tells something new. A row without one is known while it says what was last said of the
-- person: one who moves from A to B and back to A has moved twice. Where a list names a person in several ways at once
-- there is no last, and a row is known if it was ever loaded.
insert into lead_records by name
with fitting as (
    select
        row_number,
        map_from_entries(list({'key': target, 'value': value} order by target)) as attributes,
    from load_values
    where value is not null
    group by row_number
),

candidates as (
    select
        load_stage.row_hash,
        load_stage.external_id,
        load_stage.email,
        load_stage.visitor,
        load_stage.occurred_at,
        load_stage.created_at,
        coalesce(load_stage.external_id, load_stage.email) as person,
        map_concat(load_stage.attributes, coalesce(fitting.attributes, map {}::map(varchar, varchar))) as attributes,
    from load_stage
    left join fitting on load_stage.row_number = fitting.row_number
    where load_stage.fault is null
    qualify row_number() over (partition by load_stage.row_hash order by load_stage.row_number) = 1
),

counted as (
    select
        *,
        md5(
            concat_ws(
                chr(31), $key_space, 'lead', row_hash, attributes::varchar, if($is_stamped, null, $as_of)
            )
        ) as record_id,
        count(*) over (partition by person) as versions,
    from candidates
),

told as (
    select
        *,
        coalesce(external_id, email) as person,
        received_at = max(received_at) over (partition by coalesce(external_id, email)) as is_latest,
    from lead_records
    where source = $source and not $is_stamped
)

select
    record_id,
    $source as source,
    external_id,
    email,
    visitor,
    occurred_at,
    $as_of as received_at,
    attributes,
    created_at,
from counted
where
    not exists (select 1 from lead_records where lead_records.record_id = counted.record_id)
    and not exists (
        select 1
        from told
        where
            told.person = counted.person
            and (told.is_latest or counted.versions > 1)
            and told.external_id is not distinct from counted.external_id
            and told.email is not distinct from counted.email
            and told.visitor is not distinct from counted.visitor
            and told.created_at is not distinct from counted.created_at
            and told.attributes = counted.attributes
    )
