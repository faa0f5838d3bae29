-- One row per lead: the first instant anything is known of it.
-- key: lead_id
-- from: lead_identities, lead_events, lead_records
with known as (
    select lead_id, first_seen_at as known_at from lead_identities
    union all
    select lead_id, occurred_at as known_at from lead_events
    union all
    -- a source may have known the person long before it last changed the row
    select lead_identities.lead_id, lead_records.created_at as known_at
    from lead_records
    inner join lead_identities
        on lead_identities.identity = coalesce('email:' || lead_records.email, 'id:' || lead_records.external_id)
    where
        lead_records.created_at <= $as_of
        and lead_records.occurred_at <= $as_of
        and lead_records.received_at <= $as_of
)

select
    lead_id,
    min(known_at) as created_at,
from known
group by lead_id
