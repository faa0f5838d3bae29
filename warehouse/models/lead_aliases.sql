-- One row per id a lead has or could have borne, with the lead it means now: what the ledger noted finds its lead here.
-- key: alias_lead_id
-- from: scope_identities
select distinct alias_lead_id, lead_id
from scope_identities
