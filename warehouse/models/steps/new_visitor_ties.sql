-- One row per visitor and identity that a fact new to this run named together, with when.
-- key: visitor, email, external_id, occurred_at
-- from: new_events, new_lead_records
select distinct visitor, email, external_id, occurred_at
from (
    select visitor, email, external_id, occurred_at from new_events
    union all
    select visitor, email, external_id, occurred_at from new_lead_records
)
where visitor is not null and (email is not null or external_id is not null)
