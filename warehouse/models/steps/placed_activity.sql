-- One row per lead that events to place belong to: the first of them, its source, and the last that was an act of its
-- own.
-- key: lead_id
-- from: events_to_place, scanner_clicks, passive_event_types, shared_visitors, lead_identities, send_addresses,
--       visitor_bindings
-- Events are gathered by the identities they bear before these are looked up. A browser that several people used is
-- looked up event by event. Of first events of one instant, the source is the first by name.
with acts as (
    select email, external_id, send_id, visitor, event_type, occurred_at, source, false as is_machine
    from events_to_place
    where event_type not in ('mail_open', 'mail_click')
    union all
    select
        events.email,
        events.external_id,
        events.send_id,
        events.visitor,
        events.event_type,
        events.occurred_at,
        events.source,
        is_machine_reading(events.properties) or scanner_clicks.event_id is not null as is_machine,
    from events_to_place as events
    left join scanner_clicks on events.event_id = scanner_clicks.event_id
    where events.event_type in ('mail_open', 'mail_click')
),

gathered as (
    select
        events.email,
        events.external_id,
        case when events.email is null and events.external_id is null then events.send_id end as send_id,
        case when events.email is null and events.external_id is null then events.visitor end as visitor,
        case when shared_visitors.visitor is not null then events.occurred_at end as seen_at,
        events.source,
        min(events.occurred_at) as first_at,
        max(events.occurred_at) filter (passive.event_type is null and not events.is_machine) as last_action_at,
    from acts as events
    left join passive_event_types as passive on events.event_type = passive.event_type
    left join shared_visitors
        on events.visitor = shared_visitors.visitor and events.email is null and events.external_id is null
    group by all
),

owned as (
    select
        coalesce(by_email.lead_id, by_id.lead_id, by_send.lead_id, visitor_bindings.lead_id) as lead_id,
        gathered.first_at,
        gathered.source,
        gathered.last_action_at,
    from gathered
    left join lead_identities as by_email on gathered.email = by_email.value and by_email.kind = 'email'
    left join lead_identities as by_id on gathered.external_id = by_id.value and by_id.kind = 'external_id'
    left join send_addresses on gathered.send_id = send_addresses.send_id
    left join lead_identities as by_send on send_addresses.email = by_send.value and by_send.kind = 'email'
    left join visitor_bindings
        on
            gathered.visitor = visitor_bindings.visitor
            and coalesce(gathered.seen_at, gathered.first_at) >= visitor_bindings.valid_from
            and coalesce(gathered.seen_at, gathered.first_at) < visitor_bindings.valid_to
)

select
    lead_id,
    min(first_at) as first_at,
    arg_min(source, (first_at, source)) as first_source,
    max(last_action_at) as last_action_at,
from owned
where lead_id is not null
group by lead_id
