-- One row per browser that opened a page by a link of a mail, as no earlier fact told: the mail's send, and when.
-- key: visitor, send_id, occurred_at
-- from: new_events, link_visits
select visitor, send_id, occurred_at
from new_events
where event_type = 'link_visit' and visitor is not null and send_id is not null
except
select visitor, send_id, occurred_at
from link_visits
