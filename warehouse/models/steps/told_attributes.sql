-- One row per lead in scope, field and instant at which a source told the field's value.
-- key: lead_id, field, valid_from
-- from: lead_records, scope_identities
-- Of several values of one instant the one learnt last wins, and of these the one with the greatest record id; an empty
-- value never came this far. Rows of which a lead has but one an instant, which are nearly all, need no comparing.
with records as (
    select
        coalesce(by_email.lead_id, by_id.lead_id) as lead_id,
        lead_records.attributes,
        lead_records.occurred_at,
        {'received_at': lead_records.received_at, 'record_id': lead_records.record_id} as learnt,
        lead_records.source,
    from lead_records
    left join scope_identities as by_email on lead_records.email = by_email.value and by_email.kind = 'email'
    left join scope_identities as by_id
        on lead_records.external_id = by_id.value and by_id.kind = 'external_id' and lead_records.email is null
    where
        lead_records.occurred_at <= $as_of and lead_records.received_at <= $as_of
        and coalesce(by_email.lead_id, by_id.lead_id) is not null
),

rivals as (
    select lead_id, occurred_at
    from records
    group by lead_id, occurred_at
    having count(*) > 1
),

told as (
    select
        records.lead_id,
        unnest(map_entries(records.attributes)) as entry,
        records.occurred_at,
        records.learnt,
        records.source,
        rivals.lead_id is not null as has_rival,
    from records
    left join rivals on records.lead_id = rivals.lead_id and records.occurred_at = rivals.occurred_at
)

select lead_id, entry.key as field, entry.value as value, occurred_at as valid_from, source
from told
where not has_rival
union all
select
    lead_id,
    entry.key as field,
    arg_max(entry.value, learnt) as value,
    occurred_at as valid_from,
    arg_max(source, learnt) as source,
from told
where has_rival
group by lead_id, entry.key, occurred_at
