-- One row per lead of those whose journey is made anew and segment that it was ever in, or more than one.
-- key: none
-- from: changed_segment_members, old_lead_journeys, changed_journeys, receding_leads, turned_leads, segment_members
-- All rows of those who turned are at hand.
with receding as materialized (
    select lead_id
    from receding_leads
    where part = 'stays'
),

sought as materialized (
    select receding.lead_id
    from receding
    anti join turned_leads on receding.lead_id = turned_leads.lead_id
)

select lead_id, segment
from changed_segment_members
where times >= 0 and lead_id in (select changed_journeys.lead_id from changed_journeys)
union all
select lead_id, unnest(segments) as segment
from old_lead_journeys
where lead_id not in (select receding.lead_id from receding)
union all
select lead_id, segment
from fresh.main.segment_members
where lead_id in (select sought.lead_id from sought)
