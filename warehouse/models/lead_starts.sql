-- One row per lead: the first instant anything is known of it.
-- key: lead_id
-- from: scope_identities, lead_activity
-- A source may have known the person long before it last changed its row.
with known as (
    select lead_id, least(first_seen_at, known_since) as known_at from scope_identities
    union all
    select lead_id, first_at as known_at from lead_activity
)

select
    lead_id,
    min(known_at) as created_at,
from known
group by lead_id
