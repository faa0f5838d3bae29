-- One row per instant at which an award of a lead in scope adds to the score or takes from it, the future included.
-- key: lead_id, rule, event_id, started_at, instant
-- from: behaviour_awards, rule_scoring, rule_decay_steps, rule_score_causes, condition_spans
with decays as (
    -- decay steps at local midnight, as long as the award has not expired
    select
        awards.lead_id,
        awards.rule,
        awards.event_id,
        awards.occurred_at as started_at,
        timezone(
            $timezone,
            date_trunc('day', timezone($timezone, awards.occurred_at)) + to_days(rule_decay_steps.day)
        ) as instant,
        rule_decay_steps.change,
    from behaviour_awards as awards
    inner join rule_scoring on awards.rule = rule_scoring.rule
    inner join rule_decay_steps
        on awards.rule = rule_decay_steps.rule and awards.points = rule_decay_steps.points
    where
        rule_scoring.half_life_days is not null
        and (
            rule_scoring.expires_after_us is null
            or instant < later(awards.occurred_at, rule_scoring.expires_after_us)
        )
),

expiries as (
    select
        awards.lead_id,
        awards.rule,
        awards.event_id,
        awards.occurred_at as started_at,
        later(awards.occurred_at, rule_scoring.expires_after_us) as instant,
        -(awards.points + coalesce(decayed.change, 0)) as change,
    from behaviour_awards as awards
    inner join rule_scoring on awards.rule = rule_scoring.rule
    left join (
        select lead_id, rule, event_id, sum(change)::integer as change
        from decays
        group by lead_id, rule, event_id
    ) as decayed
        on
            awards.lead_id = decayed.lead_id
            and awards.rule = decayed.rule
            and awards.event_id = decayed.event_id
    where rule_scoring.expires_after_us is not null
),

held as (
    select
        condition_spans.lead_id,
        rule_scoring.rule,
        condition_spans.from_at,
        condition_spans.to_at,
        rule_scoring.points,
    from condition_spans
    inner join rule_scoring on condition_spans.condition = rule_scoring.condition
),

steps as (
    select lead_id, rule, event_id, occurred_at as started_at, occurred_at as instant, points as change, 'given' as what
    from behaviour_awards
    union all
    select lead_id, rule, event_id, started_at, instant, change, 'decayed' as what from decays
    union all
    select lead_id, rule, event_id, started_at, instant, change, 'expired' as what from expiries where change != 0
    union all
    select lead_id, rule, null as event_id, from_at as started_at, from_at as instant, points as change, 'given' as what
    from held
    union all
    select lead_id, rule, null as event_id, from_at as started_at, to_at as instant, -points as change, 'ended' as what
    from held
    where isfinite(to_at)
)

select
    steps.lead_id,
    steps.rule,
    steps.event_id,
    steps.started_at,
    steps.instant,
    steps.change,
    rule_score_causes.cause,
from steps
inner join rule_score_causes on steps.rule = rule_score_causes.rule and steps.what = rule_score_causes.what
