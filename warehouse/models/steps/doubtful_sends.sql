-- One row per send of which clicks have to be judged: clicked anew, or told to be delivered after it was clicked.
-- key: send_id
-- from: new_events, send_outcomes
select distinct send_id
from new_events
where event_type = 'mail_click' and send_id is not null
union
select new_events.send_id
from new_events
inner join send_outcomes on new_events.send_id = send_outcomes.send_id
where new_events.event_type = 'mail_delivered' and send_outcomes.reacted_at is not null
