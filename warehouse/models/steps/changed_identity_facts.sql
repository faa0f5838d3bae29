-- One row per pair of identities that was not known before, or not since so early.
-- key: email, external_id
-- from: fresh_identity_facts, identity_facts, lead_identities
-- An identity named by itself says nothing new where it has long been known: that is so of nearly all behaviour.
with told as (
    select
        fresh.email,
        fresh.external_id,
        least(fresh.first_seen_at, known.first_seen_at) as first_seen_at,
        least(fresh.known_since, known.known_since) as known_since,
        coalesce('email:' || fresh.email, 'id:' || fresh.external_id) as identity,
        fresh.email is null or fresh.external_id is null as is_by_itself,
    from fresh_identity_facts as fresh
    left join identity_facts as known
        on
            fresh.email is not distinct from known.email
            and fresh.external_id is not distinct from known.external_id
    where
        known.first_seen_at is null
        or fresh.first_seen_at < known.first_seen_at
        or fresh.known_since < coalesce(known.known_since, timestamptz 'infinity')
)

select
    told.email,
    told.external_id,
    told.first_seen_at,
    told.known_since,
from told
left join lead_identities on told.identity = lead_identities.identity
where
    not told.is_by_itself
    or lead_identities.identity is null
    or told.first_seen_at < lead_identities.first_seen_at
    or told.known_since < coalesce(lead_identities.known_since, timestamptz 'infinity')
