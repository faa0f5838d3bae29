-- One row per mail whose row is made anew, as it was published before, and where.
-- key: send_id
-- from: sends, told_sends
-- A mail's planned_at never changes, and by it most of the table is passed over; of the rest no more is read than this.
with places as (
    select sends.rowid as position
    from sends
    inner join told_sends on sends.send_id = told_sends.send_id and sends.planned_at = told_sends.planned_at
)

select sends.*, sends.rowid as position
from sends
where sends.rowid in (select places.position from places)
