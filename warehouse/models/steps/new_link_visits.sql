-- One row per browser that opened a page by a link of a mail, by facts new to this run: the mail's send, and when.
-- key: visitor, send_id, occurred_at
-- from: new_events
select distinct visitor, send_id, occurred_at
from new_events
where event_type = 'link_visit' and visitor is not null and send_id is not null
