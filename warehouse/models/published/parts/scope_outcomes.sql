-- One row per mail whose row is made anew: what its provider has told of it, if anything.
-- key: send_id
-- from: send_outcomes, told_changes, old_mails
-- What was told since the publication before is at the end. All else is as it was published, where an open stands as
-- mail_outcomes has it, which makes no other of it.
with told as (
    select id as send_id
    from told_changes
    where table_name = 'send_outcomes'
)

select
    send_id, delivered_at, opened_at, clicked_at, bounced_at, dropped_at, unsubscribed_at, complained_at
from warehouse.send_outcomes
where rowid >= $first_told_outcome and send_id in (select told.send_id from told)
union all
select
    send_id, delivered_at, opened_at, clicked_at, bounced_at, dropped_at, unsubscribed_at, complained_at
from old_mails
where send_id not in (select told.send_id from told)
