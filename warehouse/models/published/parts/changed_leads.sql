-- One row per lead whose stages, tiers, segments, deals or handoffs differ from those of the publication before.
-- key: lead_id
-- from: told_changes, handoffs, old_handoffs
with changed_handoffs as (
    select current_lead_id as lead_id
    from (
        select * from handoffs
        except
        select * from old_handoffs
    )
    union
    select current_lead_id as lead_id
    from (
        select * from old_handoffs
        except
        select * from handoffs
    )
    union
    -- by a clock that was ahead: its time has come
    select current_lead_id as lead_id
    from handoffs
    where greatest(handed_off_at, first_contact_at, met_at) > $since
)

select id as lead_id
from told_changes
where table_name in ('lead_stage_changes', 'lead_tier_changes', 'segment_members', 'lead_aliases', 'deals')
union
select lead_id
from changed_handoffs
