-- One row per fact about somebody, known by an instant, that the last recompute has not seen or that lay ahead of it:
-- the identities, browser and send it names.
-- key: email, external_id, visitor, send_id, makes_lead
-- from: events, lead_records, deal_records
-- Of events each case is looked for alone, by the one column that most blocks of rows can be passed over by.
with new_events as (
    select email, external_id, visitor, send_id, event_type
    from warehouse.events
    where rowid >= $events_seen and received_at <= $as_of
    union all
    select email, external_id, visitor, send_id, event_type
    from warehouse.events
    where received_at > $recomputed_at and received_at <= $as_of
    union all
    select email, external_id, visitor, send_id, event_type
    from warehouse.events
    where occurred_at > $recomputed_at and received_at <= $as_of
)

select distinct
    email,
    external_id,
    visitor,
    send_id,
    not starts_with(event_type, 'mail_') as makes_lead,
from new_events
union
select email, external_id, visitor, null as send_id, true as makes_lead
from warehouse.lead_records
where
    received_at <= $as_of
    and (rowid >= $lead_records_seen or received_at > $recomputed_at or occurred_at > $recomputed_at)
union
select email, external_id, null as visitor, null as send_id, true as makes_lead
from warehouse.deal_records
where
    received_at <= $as_of
    and (rowid >= $deal_records_seen or received_at > $recomputed_at or occurred_at > $recomputed_at)
