-- One row per mail whose row is made anew: changed by a run since the publication before, or else told of by its
-- provider or of somebody whose identity changed; of these, the ledger's part is as it was published.
-- key: send_id
-- from: sends, told_changes, mails_in_full
-- A run that began before that publication may have committed after it, so the last hours before it are looked at, too;
-- one instant by one, since most of the table is passed over by the bounds of each.
with changed as materialized (
    select send_id, lead_id, planned_at, rowid as position
    from ledger.sends
    where state_changed_at >= $since::timestamptz - interval 3 hours
    union
    select send_id, lead_id, planned_at, rowid as position
    from ledger.sends
    where noted_at >= $since::timestamptz - interval 3 hours
    union
    select send_id, lead_id, planned_at, rowid as position
    from ledger.sends
    where planned_at >= $since::timestamptz - interval 3 hours
),

others as (
    select id as send_id
    from told_changes
    where table_name = 'send_outcomes'
    union
    select send_id
    from mails_in_full
)

select send_id, lead_id, planned_at, position from changed
union all
select send_id, null as lead_id, null as planned_at, null as position
from others
where send_id not in (select changed.send_id from changed)
