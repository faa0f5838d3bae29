-- One row per identity of a lead in scope.
-- key: identity
-- from: lead_identities, scope_leads
select *
from lead_identities
semi join scope_leads using (lead_id)
