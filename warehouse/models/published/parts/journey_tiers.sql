-- One row per lead of those whose journey is made anew and change of its tier, of the first time hot at least.
-- key: none
-- from: changed_lead_tier_changes, old_lead_journeys, changed_journeys, receding_leads
-- Where any differs, all rows of the lead are at hand.
select lead_id, to_tier, changed_at
from changed_lead_tier_changes
where times >= 0 and lead_id in (select changed_journeys.lead_id from changed_journeys)
union all
select lead_id, 'hot' as to_tier, hot_at as changed_at
from old_lead_journeys
where
    hot_at is not null
    and lead_id not in (
        select receding_leads.lead_id
        from receding_leads
        where receding_leads.part = 'tiers'
    )
