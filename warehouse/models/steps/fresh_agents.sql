-- One row per user agent of an open or click that is not judged yet.
-- key: agent
-- from: new_events, known_agents
select distinct properties['useragent'] as agent
from new_events
where event_type in ('mail_open', 'mail_click') and properties['useragent'] is not null
except
select agent from known_agents
