-- One row per event whose lead has to be found: the new ones, and older ones whose identity now means another lead.
-- key: event_id
-- from: new_events, events, rebound_visitors, changed_sends, known_addressees
with older as (
    select *
    from events
    where occurred_at <= $as_of and received_at <= $as_of
)

select * from new_events
union all
(
    select * from older
    where
        visitor in (select visitor from rebound_visitors)
        and email is null and external_id is null
        and event_id not in (select event_id from new_events)
)
union all
(
    select * from older
    where
        send_id in (select send_id from changed_sends)
        and email is null and external_id is null
        and (visitor is null or visitor not in (select visitor from rebound_visitors))
        and event_id not in (select event_id from new_events)
)
union all
(
    select * from older
    where
        starts_with(event_type, 'mail_')
        and (
            email in (select value from known_addressees where kind = 'email')
            or external_id in (select value from known_addressees where kind = 'external_id')
        )
        and event_id not in (select event_id from new_events)
)
