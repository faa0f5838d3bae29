-- One row per identity that belongs to another lead than before, or to one at all for the first time.
-- key: identity
-- from: fresh_lead_identities, lead_identities
select fresh.identity, fresh.kind, fresh.value, known.lead_id is null as is_new
from fresh_lead_identities as fresh
left join lead_identities as known on fresh.identity = known.identity
where known.lead_id is distinct from fresh.lead_id
