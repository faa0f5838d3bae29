-- One row per mail whose row is made anew and of which its provider told: where that stands.
-- key: position
-- from: send_outcomes, told_sends
-- A recompute puts what it changes at the end. So the last rows are looked at first, and the ids of all others only for
-- the mails that are not among them.
with latest as materialized (
    select
        send_id,
        rowid as position,
    from warehouse.send_outcomes
    where rowid >= $latest_outcomes and send_id in (select told_sends.send_id from told_sends)
),

others as materialized (
    select told_sends.send_id
    from told_sends
    anti join latest on told_sends.send_id = latest.send_id
)

select position from latest
union all
select rowid as position
from warehouse.send_outcomes
where rowid < $latest_outcomes and send_id in (select others.send_id from others)
