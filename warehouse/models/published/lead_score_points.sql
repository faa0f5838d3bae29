-- One row per award of points; they add up to the lead's score.
-- key: lead_id, rule, event_id, occurred_at
-- from: lead_score_points
select lead_id, rule, event_id, occurred_at, points, points_given, send_id, rule_set_version
from warehouse.lead_score_points
