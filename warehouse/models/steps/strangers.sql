-- One row per identity of a mail event to place that belongs to nobody yet.
-- key: identity
-- from: events_to_place, lead_identities
select distinct 'email:' || events.email as identity
from events_to_place as events
anti join lead_identities on events.email = lead_identities.value and lead_identities.kind = 'email'
where starts_with(events.event_type, 'mail_') and events.email is not null
union all
select distinct 'id:' || events.external_id as identity
from events_to_place as events
anti join lead_identities on events.external_id = lead_identities.value and lead_identities.kind = 'external_id'
where starts_with(events.event_type, 'mail_') and events.external_id is not null
