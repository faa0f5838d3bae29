-- One row per lead in scope, field and instant at which a source told the field's value.
-- key: lead_id, field, valid_from
-- from: lead_records, scope_identities
-- Of several values of one instant the one with the greatest record id wins; an empty value never came this far.
with records as (
    select
        coalesce(by_email.lead_id, by_id.lead_id) as lead_id,
        lead_records.attributes,
        lead_records.occurred_at,
        lead_records.record_id,
        lead_records.source,
    from lead_records
    left join scope_identities as by_email on lead_records.email = by_email.value and by_email.kind = 'email'
    left join scope_identities as by_id
        on lead_records.external_id = by_id.value and by_id.kind = 'external_id' and lead_records.email is null
    where
        lead_records.occurred_at <= $as_of and lead_records.received_at <= $as_of
        and coalesce(by_email.lead_id, by_id.lead_id) is not null
),

told as (
    select lead_id, unnest(map_entries(attributes)) as entry, occurred_at, record_id, source
    from records
)

select
    lead_id,
    entry.key as field,
    arg_max(entry.value, record_id) as value,
    occurred_at as valid_from,
    arg_max(source, record_id) as source,
from told
group by lead_id, entry.key, occurred_at
