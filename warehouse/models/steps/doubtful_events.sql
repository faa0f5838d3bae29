-- One row per event of a send of which clicks have to be judged.
-- key: event_id
-- from: visible_events, doubtful_sends
select event_id, event_type, occurred_at, send_id, url, email, external_id, visitor, properties
from visible_events
semi join doubtful_sends using (send_id)
