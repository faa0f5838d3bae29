-- One row per span of time in which a lead in scope had done a behaviour often enough, ever or within a window.
-- key: question, lead_id, from_at
-- from: lead_behaviours, rule_event_questions, rule_behaviours
-- With the n-th act the question is answered with yes until the n-th last act leaves the window. Acts by anything
-- (event: any) count whether or not they repeat another.
with questions as (
    select
        rule_event_questions.*,
        rule_behaviours.event_type = 'any' as is_any,
    from rule_event_questions
    inner join rule_behaviours on rule_event_questions.behaviour = rule_behaviours.behaviour
    where rule_event_questions.which = 'count'
),

once_ever as (
    select
        questions.question,
        behaviours.lead_id,
        min(behaviours.occurred_at) as from_at,
        timestamptz 'infinity' as to_at,
    from lead_behaviours as behaviours
    inner join questions on behaviours.behaviour = questions.behaviour
    where
        questions.lookback_us is null and questions.at_least = 1
        and not behaviours.is_machine and not behaviours.is_opt_out_click
        and (behaviours.is_counted or questions.is_any)
    group by questions.question, behaviours.lead_id
),

often_ever as (
    select
        questions.question,
        behaviours.lead_id,
        behaviours.occurred_at as from_at,
        timestamptz 'infinity' as to_at,
    from lead_behaviours as behaviours
    inner join questions on behaviours.behaviour = questions.behaviour
    where
        questions.lookback_us is null and questions.at_least > 1
        and not behaviours.is_machine and not behaviours.is_opt_out_click
        and (behaviours.is_counted or questions.is_any)
    qualify
        row_number() over (
            partition by questions.question, behaviours.lead_id order by behaviours.occurred_at, behaviours.event_id
        ) = questions.at_least
),

reached as (
    select
        questions.question,
        behaviours.lead_id,
        behaviours.occurred_at as from_at,
        later(behaviours.occurred_at, questions.lookback_us) as to_at,
    from lead_behaviours as behaviours
    inner join questions on behaviours.behaviour = questions.behaviour
    where
        questions.lookback_us is not null and questions.at_least = 1
        and not behaviours.is_machine and not behaviours.is_opt_out_click
        and (behaviours.is_counted or questions.is_any)
    union all
    select
        questions.question,
        behaviours.lead_id,
        behaviours.occurred_at as from_at,
        later(
            lag(behaviours.occurred_at, questions.at_least - 1) over (
                partition by questions.question, behaviours.lead_id order by behaviours.occurred_at, behaviours.event_id
            ),
            questions.lookback_us
        ) as to_at,
    from lead_behaviours as behaviours
    inner join questions on behaviours.behaviour = questions.behaviour
    where
        questions.lookback_us is not null and questions.at_least > 1
        and not behaviours.is_machine and not behaviours.is_opt_out_click
        and (behaviours.is_counted or questions.is_any)
    qualify to_at > from_at
),

edges as (
    -- spans that touch are one: only the first and the last of a row of such spans matter
    select
        question,
        lead_id,
        from_at,
        to_at,
        coalesce(lag(to_at) over by_time < from_at, true) as is_first,
        coalesce(lead(from_at) over by_time > to_at, true) as is_last,
    from reached
    window by_time as (partition by question, lead_id order by from_at, to_at)
    qualify is_first or is_last
),

merged as (
    select
        question,
        lead_id,
        from_at,
        case
            when is_last then to_at
            else lead(to_at) over (partition by question, lead_id order by from_at, to_at)
        end as to_at,
        is_first,
    from edges
)

select question, lead_id, from_at, to_at from once_ever
union all
select question, lead_id, from_at, to_at from often_ever
union all
select question, lead_id, from_at, to_at from merged where is_first
