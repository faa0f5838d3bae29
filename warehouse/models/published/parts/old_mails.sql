-- One row per mail whose row is made anew, as it was published before, and where.
-- key: send_id
-- from: sends, told_sends, mails_in_full
-- Mails are looked for among those of the last months first, and none there that was planned after all of them.
with sought as materialized (
    select send_id, planned_at
    from told_sends
    where
        (planned_at is null or planned_at <= $latest_planned)
        and send_id not in (select mails_in_full.send_id from mails_in_full)
),

of_late as materialized (
    select send_id, rowid as position
    from sends
    where planned_at > $since::timestamptz - interval 90 days and send_id in (select sought.send_id from sought)
),

others as materialized (
    select sought.send_id
    from sought
    anti join of_late on sought.send_id = of_late.send_id
    where sought.planned_at is null or sought.planned_at <= $since::timestamptz - interval 90 days
),

places as (
    select position from of_late
    union all
    select rowid as position
    from sends
    where planned_at <= $since::timestamptz - interval 90 days and send_id in (select others.send_id from others)
)

select sends.*, sends.rowid as position
from sends
where sends.rowid in (select places.position from places)
union all
select mails_in_full.*
from mails_in_full
where send_id in (select told_sends.send_id from told_sends)
