-- One row per change of a field of a lead: from when on it has which value, and who said so.
-- key: lead_id, field, valid_from
-- from: told_attributes, title_levels, scope_identities
-- The newer value wins by the time its source gives it. The level of the title and the domain of the latest address
-- stand here too. A field without a value from the start has no row.
with addresses as (
    select
        lead_id,
        arg_max(split_part(value, '@', -1), identity) as domain,
        first_seen_at as valid_from,
    from scope_identities
    where kind = 'email'
    group by lead_id, first_seen_at
),

values_by_time as (
    select lead_id, field, value, valid_from, source from told_attributes
    union all
    select
        told_attributes.lead_id,
        'title_level' as field,
        -- a title without a level ends the level of the title before
        title_levels.title_level as value,
        told_attributes.valid_from,
        told_attributes.source,
    from told_attributes
    left join title_levels on told_attributes.value = title_levels.title
    where told_attributes.field = 'title'
    union all
    select lead_id, 'email_domain' as field, domain as value, valid_from, null as source
    from addresses
),

once as (
    -- most leads were told of once
    select lead_id
    from values_by_time
    group by lead_id
    having min(valid_from) = max(valid_from)
),

changes as (
    select *
    from values_by_time
    anti join once using (lead_id)
    qualify value is distinct from lag(value) over (partition by lead_id, field order by valid_from)
)

select lead_id, field, value, valid_from, timestamptz 'infinity' as valid_to, source
from values_by_time
semi join once using (lead_id)
where value is not null
union all
select
    lead_id,
    field,
    value,
    valid_from,
    coalesce(
        lead(valid_from) over (partition by lead_id, field order by valid_from), timestamptz 'infinity'
    ) as valid_to,
    source,
from changes
