-- One row per known event of a mail to somebody who was nobody then and is a lead now.
-- key: event_id
-- from: events, known_addressees, new_events
-- Rows are found by one column first; whether they are visible is asked of these alone.
with by_address as materialized (
    select *
    from events
    where email in (select value from known_addressees where kind = 'email')
),

by_id as materialized (
    select *
    from events
    where external_id in (select value from known_addressees where kind = 'external_id')
),

found as (
    select * from by_address
    union all
    select * from by_id anti join by_address using (event_id)
)

select *
from found
anti join new_events using (event_id)
where starts_with(event_type, 'mail_') and occurred_at <= $as_of and received_at <= $as_of
