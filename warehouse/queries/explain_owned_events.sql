-- One row per visible event of a lead, with what tells that it is the lead's.
-- key: event_id
-- from: visible_events, lead_behaviours, lead_identities, send_addresses, visitor_bindings
-- Whose an event is is told as in placed_behaviours.
with groups as (
    select event_id, any_value(page_group) as page_group
    from lead_behaviours
    where lead_id = $lead_id
    group by event_id
)

select
    events.event_id,
    events.event_type,
    events.occurred_at,
    events.received_at,
    events.source,
    case
        when by_email.lead_id is not null then 'email'
        when by_id.lead_id is not null then 'external_id'
        when by_send.lead_id is not null then 'send'
        else 'visitor'
    end as known_by,
    events.url,
    groups.page_group,
    events.asset,
    events.send_id,
    events.properties,
from visible_events as events
left join lead_identities as by_email on events.email = by_email.value and by_email.kind = 'email'
left join lead_identities as by_id on events.external_id = by_id.value and by_id.kind = 'external_id'
left join send_addresses
    on events.send_id = send_addresses.send_id and events.email is null and events.external_id is null
left join lead_identities as by_send on send_addresses.email = by_send.value and by_send.kind = 'email'
left join visitor_bindings
    on
        events.visitor = visitor_bindings.visitor
        and events.email is null
        and events.external_id is null
        and events.occurred_at >= visitor_bindings.valid_from
        and events.occurred_at < visitor_bindings.valid_to
left join groups on events.event_id = groups.event_id
where coalesce(by_email.lead_id, by_id.lead_id, by_send.lead_id, visitor_bindings.lead_id) = $lead_id
order by events.occurred_at, events.event_id
