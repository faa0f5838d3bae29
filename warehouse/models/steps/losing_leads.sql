-- One row per lead that loses events to another one: what it did has to be gathered anew.
-- key: lead_id
-- from: events_to_place, old_visitor_bindings, fresh_visitor_bindings, changed_sends, visitor_bindings,
--       lead_identities, known_addressees
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
)

select lead_id from moved_visits where lead_id is not null
union
select lead_id from moved_answers
union
select lead_id from moved_mails
