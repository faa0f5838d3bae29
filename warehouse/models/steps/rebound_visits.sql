-- One row per known event of a browser that belongs to others than before.
-- key: event_id
-- from: events, rebound_visitors, new_events
-- Rows are found by one column first; whether they are visible is asked of these alone.
with found as materialized (
    select *
    from events
    semi join rebound_visitors using (visitor)
    where email is null and external_id is null
)

select *
from found
anti join new_events using (event_id)
where occurred_at <= $as_of and received_at <= $as_of
