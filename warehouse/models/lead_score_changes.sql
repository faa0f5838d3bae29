-- One row per instant at which a lead's score changed, with the score from then on and what changed it.
-- key: lead_id, changed_at
-- from: award_steps, rule_score_limits
-- Where several awards move the score in one instant, one of them stands for the cause.
with instants as (
    select
        lead_id,
        instant as changed_at,
        sum(change)::integer as change,
        max(event_id) as cause_event_id,
        max(cause) as cause,
    from award_steps
    where instant <= $as_of
    group by lead_id, instant
),

summed as (
    select
        *,
        (sum(change) over (partition by lead_id order by changed_at))::integer as points_given,
    from instants
),

limited as (
    select
        summed.lead_id,
        summed.changed_at,
        -- a limit that is not set is passed over
        greatest(least(points_given, limits.maximum_score), limits.minimum_score) as score,
        greatest(least(points_given - change, limits.maximum_score), limits.minimum_score) as score_before,
        summed.cause_event_id,
        summed.cause,
    from summed
    cross join rule_score_limits as limits
)

select
    lead_id,
    changed_at,
    score - score_before as points,
    score,
    cause,
    cause_event_id,
from limited
where score != score_before
