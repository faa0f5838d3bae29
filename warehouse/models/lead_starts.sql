-- One row per lead: the first instant anything is known of it.
-- key: lead_id
-- from: lead_identities, lead_events
with known as (
    select lead_id, first_seen_at as known_at from lead_identities
    union all
    select lead_id, occurred_at as known_at from lead_events
)

select
    lead_id,
    min(known_at) as created_at,
from known
group by lead_id
