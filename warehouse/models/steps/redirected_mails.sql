-- One row per known event that names a send alone, whose addressee is another than was thought.
-- key: event_id
-- from: events, changed_sends, rebound_visitors, new_events
-- Rows are found by one column first; whether they are visible is asked of these alone.
with found as materialized (
    select *
    from events
    semi join changed_sends using (send_id)
    where email is null and external_id is null
)

select *
from found
anti join rebound_visitors using (visitor)
anti join new_events using (event_id)
where occurred_at <= $as_of and received_at <= $as_of
