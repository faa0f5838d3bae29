-- One row per identity of a lead: an e-mail address or a source's own id, and the lead it points to.
-- key: identity
-- from: identity_facts, identity_components
-- A lead is named after its earliest identity, so its id does not hang on the order in which facts arrived.
-- alias_lead_id is the id the lead would bear if this identity were its only one: sends keep the id they were claimed
-- under, and find their lead by it after a merge.
with seen as (
    select 'email:' || email as identity, 'email' as kind, first_seen_at
    from identity_facts
    where email is not null
    union all
    select 'id:' || external_id as identity, 'external_id' as kind, first_seen_at
    from identity_facts
    where external_id is not null
),

identities as (
    select
        identity,
        kind,
        min(first_seen_at) as first_seen_at,
        'L' || substr(md5(identity), 1, 20) as alias_lead_id,
    from seen
    group by identity, kind
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
    first_seen_at,
    alias_lead_id,
    first_value(alias_lead_id) over (partition by component order by first_seen_at, identity) as lead_id,
from joined
