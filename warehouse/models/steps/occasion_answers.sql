-- One row per span of time in which the first or the last time of a behaviour lies as far back as a question asks.
-- key: question, lead_id, from_at
-- from: lead_behaviours, rule_event_questions
-- Every act is one, also one that only repeats another and counts for no number.
with acts as (
    select
        questions.question,
        questions.which,
        coalesce(questions.before_us, 0) as before_us,
        questions.lookback_us,
        behaviours.lead_id,
        behaviours.occurred_at,
        behaviours.event_id,
    from lead_behaviours as behaviours
    inner join rule_event_questions as questions on behaviours.behaviour = questions.behaviour
    where
        questions.which in ('first', 'last')
        and not behaviours.is_machine and not behaviours.is_opt_out_click
),

spans as (
    select
        question,
        lead_id,
        later(min(occurred_at), before_us) as from_at,
        coalesce(later(min(occurred_at), lookback_us), timestamptz 'infinity') as to_at,
    from acts
    where which = 'first'
    group by question, lead_id, before_us, lookback_us
    union all
    select
        question,
        lead_id,
        later(occurred_at, before_us) as from_at,
        least(
            coalesce(later(occurred_at, lookback_us), timestamptz 'infinity'),
            coalesce(
                lead(occurred_at) over (partition by question, lead_id order by occurred_at, event_id),
                timestamptz 'infinity'
            )
        ) as to_at,
    from acts
    where which = 'last'
)

select question, lead_id, from_at, to_at
from spans
where from_at < to_at
