-- One row per event of a lead that loses events, but for those that are to be placed anyway.
-- key: event_id
-- from: events, losing_leads, lead_identities, send_addresses, visitor_bindings, events_to_place
-- Rows are found by one column first; whether they are visible is asked of these alone.
with identities as (
    select kind, value
    from lead_identities
    semi join losing_leads using (lead_id)
),

by_address as materialized (
    select * from events
    where email in (select value from identities where kind = 'email')
),

by_id as materialized (
    select * from events
    where external_id in (select value from identities where kind = 'external_id')
),

by_send as materialized (
    select * from events
    where
        email is null and external_id is null
        and send_id in (
            select send_id from send_addresses
            where email in (select value from identities where kind = 'email')
        )
),

by_browser as materialized (
    select * from events
    where
        email is null and external_id is null
        and visitor in (
            select visitor from visitor_bindings
            where lead_id in (select lead_id from losing_leads)
        )
),

found as (
    select * from by_address
    union all
    select * from by_id anti join by_address using (event_id)
    union all
    select * from by_send
    union all
    select * from by_browser anti join by_send using (event_id)
)

select *
from found
anti join events_to_place using (event_id)
where occurred_at <= $as_of and received_at <= $as_of
