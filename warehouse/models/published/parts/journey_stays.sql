-- One row per lead of those whose journey is made anew and segment that it was ever in, or more than one.
-- key: none
-- from: changed_segment_members, old_lead_journeys, changed_journeys, receding_leads, segment_members
select lead_id, segment
from changed_segment_members
where times >= 0 and lead_id in (select changed_journeys.lead_id from changed_journeys)
union all
select lead_id, unnest(segments) as segment
from old_lead_journeys
where lead_id not in (select receding_leads.lead_id from receding_leads)
union all
select lead_id, segment
from fresh.main.segment_members
where lead_id in (select receding_leads.lead_id from receding_leads)
