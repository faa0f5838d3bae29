-- One row per instant at which a lead's score changed, with the score from then on.
-- key: lead_id, changed_at
-- from: lead_score_points
with instants as (
    select
        lead_id,
        occurred_at as changed_at,
        sum(points)::integer as points,
        max(event_id) as cause_event_id,
    from lead_score_points
    group by lead_id, occurred_at
)

select
    lead_id,
    changed_at,
    points,
    (sum(points) over (partition by lead_id order by changed_at))::integer as score,
    cause_event_id,
from instants
