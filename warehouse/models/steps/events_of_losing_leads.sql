-- One row per event of a lead that loses events, but for those that are to be placed anyway.
-- key: event_id
-- from: events, losing_leads, lead_identities, send_addresses, visitor_bindings, events_to_place
with identities as (
    select kind, value
    from lead_identities
    semi join losing_leads using (lead_id)
),

older as (
    select *
    from events
    where
        occurred_at <= $as_of and received_at <= $as_of
        and event_id not in (select event_id from events_to_place)
)

select * from older
where
    email in (select value from identities where kind = 'email')
    or external_id in (select value from identities where kind = 'external_id')
    or (
        email is null and external_id is null
        and (
            send_id in (
                select send_id from send_addresses
                where email in (select value from identities where kind = 'email')
            )
            or visitor in (
                select visitor from visitor_bindings
                where lead_id in (select lead_id from losing_leads)
            )
        )
    )
