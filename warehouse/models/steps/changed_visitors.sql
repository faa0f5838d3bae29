-- One row per visitor who may belong to another lead than before.
-- key: visitor
-- from: new_visitor_ties, visitor_ties, new_link_visits, link_visits, send_addresses, changed_sends, rejudged_clicks,
--       changed_identities
select visitor from new_visitor_ties
union
select visitor from visitor_ties where email in (select value from changed_identities where kind = 'email')
union
select visitor
from visitor_ties
where external_id in (select value from changed_identities where kind = 'external_id')
union
select visitor from new_link_visits
union
select visitor from link_visits where send_id in (select send_id from changed_sends)
union
select visitor from link_visits where event_id in (select event_id from rejudged_clicks)
union
select link_visits.visitor
from link_visits
inner join send_addresses on link_visits.send_id = send_addresses.send_id
where send_addresses.email in (select value from changed_identities where kind = 'email')
