-- One row per event that bears an identity, a browser or a send within reach.
-- key: event_id
-- from: events, reach
-- Each column is looked at alone, and only the rows found are read whole: that is what makes it quick.
select *
from warehouse.events
where
    received_at <= $as_of
    and rowid in (
        select by_email.rowid from warehouse.events as by_email
        where by_email.email in (select value from reach where kind = 'email')
        union
        select by_external_id.rowid from warehouse.events as by_external_id
        where by_external_id.external_id in (select value from reach where kind = 'external_id')
        union
        select by_visitor.rowid from warehouse.events as by_visitor
        where by_visitor.visitor in (select value from reach where kind = 'visitor')
        union
        select by_send_id.rowid from warehouse.events as by_send_id
        where by_send_id.send_id in (select value from reach where kind = 'send_id')
    )
