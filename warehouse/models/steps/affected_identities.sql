-- One row per identity whose lead may be another than before: those of changed facts, and all that belong with them.
-- key: identity
-- from: changed_identity_facts, lead_identities
with named as (
    select 'email:' || email as identity, 'email' as kind, email as value
    from changed_identity_facts
    where email is not null
    union
    select 'id:' || external_id as identity, 'external_id' as kind, external_id as value
    from changed_identity_facts
    where external_id is not null
)

select identity, kind, value
from named
union
select identity, kind, value
from lead_identities
where
    lead_id in (
        select known.lead_id
        from lead_identities as known
        where known.identity in (select named.identity from named)
    )
