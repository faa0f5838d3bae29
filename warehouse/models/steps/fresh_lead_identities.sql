-- One row per affected identity, and the lead it points to now.
-- key: identity
-- from: affected_identity_facts, identity_components
-- A lead is named after its earliest identity, so its id does not hang on the order in which facts arrived. The name
-- has twelve characters, which DuckDB keeps in place: leads are joined, sorted and compared more than anything else.
-- alias_lead_id is the id the lead would bear if this identity were its only one: sends keep the id they were claimed
-- under, and find their lead by it after a merge.
with seen as (
    select 'email:' || email as identity, 'email' as kind, email as value, first_seen_at, known_since
    from affected_identity_facts
    where email is not null
    union all
    select 'id:' || external_id as identity, 'external_id' as kind, external_id as value, first_seen_at, known_since
    from affected_identity_facts
    where external_id is not null
),

identities as (
    select
        identity,
        kind,
        value,
        min(first_seen_at) as first_seen_at,
        min(known_since) as known_since,
        'L' || translate(substr(to_base64(unhex(md5(identity))), 1, 11), '+/', '-_') as alias_lead_id,
    from seen
    group by identity, kind, value
),

joined as (
    select
        identities.*,
        coalesce(identity_components.component, identities.identity) as component,
    from identities
    left join identity_components on identities.identity = identity_components.identity
)

select
    identity,
    kind,
    value,
    first_seen_at,
    known_since,
    alias_lead_id,
    first_value(alias_lead_id) over (partition by component order by first_seen_at, identity) as lead_id,
from joined
