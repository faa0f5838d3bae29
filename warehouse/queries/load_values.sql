-- One row per value that has to fit its field's type: what it reads as, and what of it does not fit.
-- key: row_number, target
-- from: load_stage, load_columns
create or replace temp table load_values as
with entries as (
    select
        row_number,
        unnest(map_entries(typed_attributes)) as entry,
    from load_stage
    where fault is null and cardinality(typed_attributes) > 0
),

described as (
    select
        entries.row_number,
        entries.entry.key as target,
        entries.entry.value as given,
        load_columns.type,
        load_columns.allowed,
    from entries
    inner join load_columns on entries.entry.key = load_columns.target
),

judged as (
    select
        row_number,
        target,
        given,
        type,
        load_fitting(given, type, allowed, $date_format, $epoch_unit, $timezone) as value,
        array_to_string(load_unknown_parts(load_parts(given, type, allowed), type, allowed), ';') as unknown_choices,
        allowed,
    from described
)

select
    row_number,
    target,
    value,
    case
        when coalesce(unknown_choices, '') != '' then unknown_choices
        when value is null then given
    end as unfit,
    case
        when coalesce(unknown_choices, '') != ''
            then 'not one of the values of this field: ' || array_to_string(list_slice(allowed, 1, 20), ', ')
        when type = 'number' then 'not a number'
        when type = 'date' then 'not a date; is date_format right?'
        when type = 'boolean' then 'not true or false'
        when type = 'corporate_number' then 'not a 法人番号 (13 digits), or its check digit is wrong'
        else 'no value in it'
    end as reason,
from judged
