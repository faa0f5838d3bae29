-- One row per lead of which an identity is new, belongs to another lead than before, or is known since another instant.
-- key: lead_id
-- from: fresh_lead_identities, lead_identities
select distinct fresh.lead_id
from fresh_lead_identities as fresh
left join lead_identities as known on fresh.identity = known.identity
where
    known.lead_id is distinct from fresh.lead_id
    or known.first_seen_at is distinct from fresh.first_seen_at
    or known.known_since is distinct from fresh.known_since
