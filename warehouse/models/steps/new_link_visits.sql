-- One row per page that a browser opened by a link of a mail, as no earlier fact told: the mail's send, and when.
-- key: event_id
-- from: new_events, link_visits
select event_id, visitor, send_id, occurred_at
from new_events
anti join link_visits using (event_id)
where event_type = 'link_visit' and visitor is not null and send_id is not null
