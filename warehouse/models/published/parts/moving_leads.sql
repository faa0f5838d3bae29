-- One row per lead that made a move whose times are counted anew.
-- key: lead_id
-- from: changed_stage_times, lead_stage_changes
-- The months are a day longer at both ends, so that no change needs its local time worked out.
with bounds as (
    select
        from_stage,
        to_stage,
        month - interval 1 day as begins_at,
        month + interval 1 month + interval 1 day as ends_at,
    from changed_stage_times
)

select distinct changes.lead_id
from lead_stage_changes as changes
inner join bounds
    on
        changes.from_stage = bounds.from_stage
        and changes.to_stage = bounds.to_stage
        and changes.changed_at >= bounds.begins_at
        and changes.changed_at < bounds.ends_at
