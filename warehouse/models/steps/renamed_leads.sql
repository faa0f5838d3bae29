-- One row per lead that bears another id now, because it was merged or an earlier identity of it became known.
-- key: old_lead_id
-- from: lead_identities, fresh_lead_identities
select distinct
    known.lead_id as old_lead_id,
    fresh.lead_id,
from lead_identities as known
inner join fresh_lead_identities as fresh on known.identity = fresh.identity
where known.lead_id != fresh.lead_id
