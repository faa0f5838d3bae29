-- One row per mail whose row is made anew and of which its provider told: where that stands.
-- key: position
-- from: send_outcomes, told_sends
-- What was told since the publication before is at the end. What was told earlier is looked for of those mails alone
-- that were planned before and that a run has changed.
with latest as materialized (
    select
        send_id,
        rowid as position,
    from warehouse.send_outcomes
    where rowid >= $first_told_outcome and send_id in (select told_sends.send_id from told_sends)
),

others as materialized (
    select told_sends.send_id
    from told_sends
    anti join latest on told_sends.send_id = latest.send_id
    where told_sends.planned_at < $since
)

select position from latest
union all
select rowid as position
from warehouse.send_outcomes
where rowid < $first_told_outcome and send_id in (select others.send_id from others)
