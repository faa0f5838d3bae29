-- One row per mail whose row is made anew: changed by a run since the publication before, of somebody whose identity
-- changed, or told of by its provider alone. Of the latter, the ledger's part is as it was published.
-- key: send_id
-- from: sends, told_changes, lead_aliases
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
    select send_id, lead_id, planned_at, rowid as position
    from ledger.sends
    where state_changed_at >= $since
    union
    select send_id, lead_id, planned_at, rowid as position
    from ledger.sends
    where noted_at >= $since
    union
    select send_id, lead_id, planned_at, rowid as position
    from ledger.sends
    where planned_at >= $since
    union
    select send_id, lead_id, planned_at, rowid as position
    from ledger.sends
    where lead_id in (select known_as.lead_id from known_as)
)

select send_id, lead_id, planned_at, position from changed
union all
select id as send_id, null as lead_id, null as planned_at, null as position
from told_changes
where table_name = 'send_outcomes' and id not in (select changed.send_id from changed)
