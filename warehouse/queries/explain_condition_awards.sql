-- One row per span of time for which a rule gives a lead points because its condition holds: since when, and when that
-- ended or will end.
-- key: rule, occurred_at
-- from: lead_score_points, rule_scoring, award_steps
with ends as (
    select rule, started_at, max(instant) filter (instant > started_at) as end_at
    from award_steps
    where lead_id = $lead_id and event_id is null
    group by rule, started_at
)

select
    points.rule,
    points.occurred_at,
    points.points,
    points.points_given,
    case when ends.end_at <= $as_of then ends.end_at end as ended_at,
    case when ends.end_at > $as_of then ends.end_at end as ends_at,
from lead_score_points as points
inner join rule_scoring on points.rule = rule_scoring.rule and rule_scoring.condition is not null
left join ends on points.rule = ends.rule and points.occurred_at = ends.started_at
where points.lead_id = $lead_id and points.event_id is null
order by points.occurred_at, rule_scoring.position
