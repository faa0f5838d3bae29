-- One row per lead that bears an address, at most one, as of the last recompute.
-- key: lead_id
-- from: lead_identities, leads
select leads.*
from warehouse.leads
where
    leads.lead_id in (
        select lead_identities.lead_id
        from warehouse.lead_identities
        where lead_identities.kind = 'email' and lead_identities.value = $email
    )
