-- One row per lead whose stages, tiers, segments, deals or handoffs differ from those of the publication before.
-- key: lead_id
-- from: told_changes, handoffs, old_handoffs, handoff_changes, old_handoff_changes
with changed_handoffs as (
    select handoff_id
    from (
        select * from handoffs
        except
        select * from old_handoffs
    )
    union
    select handoff_id
    from (
        select * from old_handoffs
        except
        select * from handoffs
    )
    union
    select handoff_id
    from (
        select * from handoff_changes
        except
        select * from old_handoff_changes
    )
    union
    select handoff_id
    from (
        select * from old_handoff_changes
        except
        select * from handoff_changes
    )
    union
    -- by a clock that was ahead: its time has come
    select handoff_id
    from handoff_changes
    where changed_at > $since
    union
    select handoff_id
    from handoffs
    where greatest(handed_off_at, first_contact_at) > $since
)

select id as lead_id
from told_changes
where table_name in ('lead_stage_changes', 'lead_tier_changes', 'segment_members', 'lead_aliases', 'deals')
union
select current_lead_id as lead_id
from handoffs
where handoff_id in (select changed_handoffs.handoff_id from changed_handoffs)
union
select current_lead_id as lead_id
from old_handoffs
where handoff_id in (select changed_handoffs.handoff_id from changed_handoffs)
