-- One row per award of points: which rule gave them, for which event, and how many of them count now.
-- key: lead_id, rule, event_id, occurred_at
-- from: behaviour_awards, rule_scoring, rule_set, award_steps, lead_score_changes, rule_score_limits
-- Points are what counts now, so they add up to the lead's score; what a limit of the score takes or adds is a row of
-- its own. An award for a condition has no event.
with lasting as (
    select
        awards.lead_id,
        awards.rule,
        awards.event_id,
        awards.occurred_at,
        awards.points,
        awards.points as points_given,
        awards.send_id,
    from behaviour_awards as awards
    inner join rule_scoring on awards.rule = rule_scoring.rule
    where rule_scoring.half_life_days is null and rule_scoring.expires_after_us is null
),

changing as (
    select
        steps.lead_id,
        steps.rule,
        steps.event_id,
        steps.started_at as occurred_at,
        sum(steps.change)::integer as points,
        arg_min(steps.change, steps.instant) as points_given,
    from award_steps as steps
    inner join rule_scoring on steps.rule = rule_scoring.rule
    where
        steps.instant <= $as_of
        and (
            rule_scoring.half_life_days is not null
            or rule_scoring.expires_after_us is not null
            or rule_scoring.condition is not null
        )
    group by steps.lead_id, steps.rule, steps.event_id, steps.started_at
),

awards as (
    select * from lasting
    union all
    select
        changing.*,
        behaviour_awards.send_id,
    from changing
    left join behaviour_awards
        on
            changing.lead_id = behaviour_awards.lead_id
            and changing.rule = behaviour_awards.rule
            and changing.event_id = behaviour_awards.event_id
),

limited as (
    select
        awards.lead_id,
        -- a score that a limit held at nothing all along never changed
        case
            when sum(awards.points) > coalesce(any_value(scores.score), 0) then 'maximum_score'
            else 'minimum_score'
        end as rule,
        coalesce(any_value(scores.score), 0) - sum(awards.points)::integer as points,
        max(awards.occurred_at) as occurred_at,
    from awards
    left join (
        select lead_id, sum(points)::integer as score from lead_score_changes group by lead_id
    ) as scores on awards.lead_id = scores.lead_id
    where
        exists (
            select 1 from rule_score_limits where minimum_score is not null or maximum_score is not null
        )
    group by awards.lead_id
    having coalesce(any_value(scores.score), 0) != sum(awards.points)
)

select
    awards.lead_id,
    awards.rule,
    awards.event_id,
    awards.occurred_at,
    awards.points,
    awards.points_given,
    awards.send_id,
    rule_set.rule_set_version,
from awards
cross join rule_set
union all
select
    limited.lead_id,
    limited.rule,
    null as event_id,
    limited.occurred_at,
    limited.points,
    limited.points as points_given,
    null as send_id,
    rule_set.rule_set_version,
from limited
cross join rule_set
