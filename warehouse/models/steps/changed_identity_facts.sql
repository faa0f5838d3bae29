-- One row per pair of identities that was not known before, or not since so early.
-- key: email, external_id
-- from: fresh_identity_facts, identity_facts
select
    fresh.email,
    fresh.external_id,
    least(fresh.first_seen_at, known.first_seen_at) as first_seen_at,
    least(fresh.known_since, known.known_since) as known_since,
from fresh_identity_facts as fresh
left join identity_facts as known
    on
        fresh.email is not distinct from known.email
        and fresh.external_id is not distinct from known.external_id
where
    known.first_seen_at is null
    or fresh.first_seen_at < known.first_seen_at
    or fresh.known_since < coalesce(known.known_since, timestamptz 'infinity')
