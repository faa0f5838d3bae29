-- One row per send of which clicks have to be judged: clicked or visited anew, or told to be delivered after it was.
-- key: send_id
-- from: new_events, send_outcomes, link_visits
select distinct send_id
from new_events
where event_type in ('mail_click', 'link_visit') and send_id is not null
union
select new_events.send_id
from new_events
inner join send_outcomes on new_events.send_id = send_outcomes.send_id
where new_events.event_type = 'mail_delivered' and send_outcomes.reacted_at is not null
union
select new_events.send_id
from new_events
inner join link_visits on new_events.send_id = link_visits.send_id
where new_events.event_type = 'mail_delivered'
