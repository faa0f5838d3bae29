-- One row per mail whose row is made anew: changed by a run since the publication before, or by what its provider or
-- somebody's identity told; and where it stands in the ledger.
-- key: send_id
-- from: sends, told_changes, lead_aliases
-- Mails that only their provider tells of are looked for among those of the last months first.
with renamed as (
    select id as lead_id
    from told_changes
    where table_name = 'lead_aliases'
),

known_as as (
    select lead_id from renamed
    union
    select alias_lead_id as lead_id
    from warehouse.lead_aliases
    where lead_id in (select renamed.lead_id from renamed)
),

-- one by one, since most of the table is passed over by the bounds of each instant
changed as materialized (
    select send_id, planned_at, rowid as position
    from ledger.sends
    where state_changed_at >= $since
    union
    select send_id, planned_at, rowid as position
    from ledger.sends
    where noted_at >= $since
    union
    select send_id, planned_at, rowid as position
    from ledger.sends
    where planned_at >= $since
),

told as materialized (
    select id as send_id
    from told_changes
    where table_name = 'send_outcomes' and id not in (select changed.send_id from changed)
),

of_late as materialized (
    select send_id, planned_at, rowid as position
    from ledger.sends
    where planned_at > $since::timestamptz - interval 90 days and send_id in (select told.send_id from told)
)

select send_id, planned_at, position from changed
union
select send_id, planned_at, position from of_late
union
select send_id, planned_at, rowid as position
from ledger.sends
where
    planned_at <= $since::timestamptz - interval 90 days
    and send_id in (
        select told.send_id
        from told
        where told.send_id not in (select of_late.send_id from of_late)
    )
union
select send_id, planned_at, rowid as position
from ledger.sends
where lead_id in (select known_as.lead_id from known_as)
