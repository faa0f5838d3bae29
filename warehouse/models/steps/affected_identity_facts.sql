-- One row per pair of identities, at least one of them affected.
-- key: email, external_id
-- from: identity_facts, affected_identities
select email, external_id, first_seen_at, known_since
from identity_facts
where
    email in (select value from affected_identities where kind = 'email')
    or (email is null and external_id in (select value from affected_identities where kind = 'external_id'))
