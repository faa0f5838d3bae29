-- One row per lead whose stages, tiers, identity, deals or handoffs differ from those of the publication before.
-- key: lead_id
-- from: told_changes, old_handoffs, new_handoffs, handoffs
select id as lead_id
from told_changes
where table_name in ('lead_stage_changes', 'lead_tier_changes', 'lead_aliases', 'deals')
union
select current_lead_id as lead_id
from old_handoffs
union
select current_lead_id as lead_id
from new_handoffs
union
-- by a clock that was ahead: its time has come
select current_lead_id as lead_id
from handoffs
where greatest(handed_off_at, first_contact_at, met_at) > $since
