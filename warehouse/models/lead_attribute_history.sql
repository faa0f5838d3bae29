-- One row per change of a field of a lead: from when on it has which value, and who said so.
-- key: lead_id, field, valid_from
-- from: lead_records, lead_identities, title_levels
-- The newer value wins by the time its source gives it; an empty value never came this far.
with told as (
    select
        coalesce(by_email.lead_id, by_id.lead_id) as lead_id,
        unnest(map_entries(lead_records.attributes)) as entry,
        lead_records.occurred_at,
        lead_records.received_at,
        lead_records.record_id,
        lead_records.source,
    from lead_records
    left join lead_identities as by_email on by_email.identity = 'email:' || lead_records.email
    left join lead_identities as by_id on by_id.identity = 'id:' || lead_records.external_id
    where lead_records.occurred_at <= $as_of and lead_records.received_at <= $as_of
),

latest_of_instant as (
    select
        lead_id,
        entry.key as field,
        entry.value as value,
        occurred_at as valid_from,
        source,
    from told
    qualify
        row_number() over (partition by lead_id, entry.key, occurred_at order by record_id desc) = 1
),

with_levels as (
    select lead_id, field, value, valid_from, source from latest_of_instant
    union all
    select
        latest_of_instant.lead_id,
        'title_level' as field,
        title_levels.title_level as value,
        latest_of_instant.valid_from,
        latest_of_instant.source,
    from latest_of_instant
    -- a title without a level ends the level of the title before
    left join title_levels on latest_of_instant.value = title_levels.title
    where latest_of_instant.field = 'title'
)

select lead_id, field, value, valid_from, source
from with_levels
qualify value is distinct from lag(value) over (partition by lead_id, field order by valid_from)
