-- One row per lead that loses events to another one: what it did has to be gathered anew.
-- key: lead_id
-- from: events_to_place, old_visitor_bindings, fresh_visitor_bindings, changed_sends, visitor_bindings,
--       lead_identities, known_addressees, rejudged_clicks, send_addresses
with moved_visits as (
    select old.lead_id
    from events_to_place as events
    inner join old_visitor_bindings as old
        on
            events.visitor = old.visitor
            and events.occurred_at >= old.valid_from
            and events.occurred_at < old.valid_to
    left join fresh_visitor_bindings as fresh
        on
            events.visitor = fresh.visitor
            and events.occurred_at >= fresh.valid_from
            and events.occurred_at < fresh.valid_to
    where events.email is null and events.external_id is null and old.lead_id is distinct from fresh.lead_id
),

moved_sends as (
    select
        events.visitor,
        changed_sends.old_email,
    from events_to_place as events
    inner join changed_sends on events.send_id = changed_sends.send_id
    where events.email is null and events.external_id is null
),

moved_answers as (
    -- whoever a send was thought to have gone to, or else whose browser answered it
    select lead_id from lead_identities
    where kind = 'email' and value in (select old_email from moved_sends)
    union
    select lead_id from visitor_bindings
    where visitor in (select visitor from moved_sends)
),

moved_mails as (
    select lead_identities.lead_id
    from events_to_place as events
    inner join lead_identities
        on events.external_id = lead_identities.value and lead_identities.kind = 'external_id'
    where events.email in (select value from known_addressees where kind = 'email')
),

-- what is a program's now may have been the last act
rejudged as (
    select
        coalesce(by_email.lead_id, by_id.lead_id, by_send.lead_id, visitor_bindings.lead_id) as lead_id,
    from events_to_place as events
    semi join rejudged_clicks on events.event_id = rejudged_clicks.event_id
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
)

select lead_id from moved_visits where lead_id is not null
union
select lead_id from rejudged where lead_id is not null
union
select lead_id from moved_answers
union
select lead_id from moved_mails
