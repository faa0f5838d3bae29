-- One row per known event of a send that is noted only now, so that its scenario and step become known.
-- key: event_id
-- from: events, noted_sends, events_to_place
-- Rows are found by one column first; whether they are visible is asked of these alone.
with found as materialized (
    select *
    from events
    semi join noted_sends using (send_id)
)

select *
from found
anti join events_to_place using (event_id)
where occurred_at <= $as_of and received_at <= $as_of
