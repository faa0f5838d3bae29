-- One row per known click that was a person's and is a program's, or the other way round.
-- key: event_id
-- from: fresh_scanner_clicks, scanner_clicks, doubtful_sends, new_events
with known as (
    select event_id, send_id
    from scanner_clicks
    semi join doubtful_sends using (send_id)
),

changed as (
    select coalesce(fresh.event_id, known.event_id) as event_id
    from fresh_scanner_clicks as fresh
    full join known on fresh.event_id = known.event_id
    where fresh.event_id is null or known.event_id is null
)

select event_id
from changed
anti join new_events using (event_id)
