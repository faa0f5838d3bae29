-- One row per pair of identities that a fact named together (either may be missing), with when it first did.
-- key: email, external_id
-- from: events, lead_records, deal_records
-- A suppression or a consent alone makes nobody a lead: they are matched to leads, they do not make them.
with named as (
    -- what happened to a mail is told of its addressee, who may be a sales rep
    select email, external_id, occurred_at, received_at
    from events
    where not starts_with(event_type, 'mail_')
    union all
    select email, external_id, occurred_at, received_at from lead_records
    union all
    select email, external_id, occurred_at, received_at from deal_records
)

select
    email,
    external_id,
    min(occurred_at) as first_seen_at,
from named
where
    occurred_at <= $as_of
    and received_at <= $as_of
    and (email is not null or external_id is not null)
group by email, external_id
