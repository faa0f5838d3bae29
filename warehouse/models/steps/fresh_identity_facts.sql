-- One row per pair of identities that a fact new to this run named together (either may be missing).
-- key: email, external_id
-- from: new_events, new_lead_records, new_deal_records
-- A suppression or a consent alone makes nobody a lead: they are matched to leads, they do not make them.
with named as (
    -- what happened to a mail is told of its addressee, who may be a sales rep
    select email, external_id, occurred_at, null::timestamptz as known_since
    from new_events
    where (email is not null or external_id is not null) and not starts_with(event_type, 'mail_')
    union all
    select email, external_id, occurred_at, created_at as known_since from new_lead_records
    union all
    select email, external_id, occurred_at, null as known_since from new_deal_records
)

select
    email,
    external_id,
    min(occurred_at) as first_seen_at,
    min(known_since) as known_since,
from named
where email is not null or external_id is not null
group by email, external_id
