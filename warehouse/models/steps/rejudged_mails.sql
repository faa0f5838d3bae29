-- One row per known click whose verdict has changed, but for those that are to be placed anyway.
-- key: event_id
-- from: events, rejudged_clicks, events_to_place
select *
from events
semi join rejudged_clicks using (event_id)
anti join events_to_place using (event_id)
