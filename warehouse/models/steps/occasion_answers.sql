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
),

edges as (
    -- where the last time is asked for from its very instant on, one span goes on in the next
    select
        question,
        lead_id,
        from_at,
        to_at,
        coalesce(lag(to_at) over by_time < from_at, true) as is_first,
        coalesce(lead(from_at) over by_time > to_at, true) as is_last,
    from spans
    where from_at < to_at
    window by_time as (partition by question, lead_id order by from_at)
    qualify is_first or is_last
),

merged as (
    select
        question,
        lead_id,
        from_at,
        case
            when is_last then to_at
            else lead(to_at) over (partition by question, lead_id order by from_at)
        end as to_at,
        is_first,
    from edges
)

select question, lead_id, from_at, to_at
from merged
where is_first
