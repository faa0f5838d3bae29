-- One row per span of time in which the first or the last time of a behaviour lies as far back as a question asks.
-- key: question, lead_id, from_at
-- from: lead_behaviours, rule_event_questions
-- Every act is one, also one that only repeats another and counts for no number.
with acts as (
    select
        questions.question,
        questions.which,
        coalesce(questions.before, interval 0 second) as before,
        questions.lookback,
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
        min(occurred_at) + before as from_at,
        coalesce(min(occurred_at) + lookback, timestamptz 'infinity') as to_at,
    from acts
    where which = 'first'
    group by question, lead_id, before, lookback
    union all
    select
        question,
        lead_id,
        occurred_at + before as from_at,
        least(
            coalesce(occurred_at + lookback, timestamptz 'infinity'),
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
