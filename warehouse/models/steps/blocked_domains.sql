-- One row per mail domain of leads in scope that the rules block, by itself or by a domain above it.
-- key: domain
-- from: scope_identities, rule_block_domains
with labelled as (
    select distinct
        split_part(value, '@', -1) as domain,
        string_split(split_part(value, '@', -1), '.') as labels,
    from scope_identities
    where kind = 'email'
),

above as (
    select
        domain,
        array_to_string(labels[unnest(range(1, len(labels) + 1)):], '.') as part,
    from labelled
)

select distinct above.domain
from above
inner join rule_block_domains on above.part = rule_block_domains.domain
