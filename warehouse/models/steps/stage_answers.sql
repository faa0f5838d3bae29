-- One row per span of time in which a lead in scope is in one of the stages a question names.
-- key: question, lead_id, from_at
-- from: lead_stage_changes, rule_stage_questions
with questions as (
    select question, list(stage) as stages
    from rule_stage_questions
    group by question
),

turns as (
    select
        questions.question,
        changes.lead_id,
        changes.changed_at,
        list_contains(questions.stages, changes.to_stage) as holds,
    from lead_stage_changes as changes
    cross join questions
    where
        list_contains(questions.stages, changes.to_stage)
        != coalesce(list_contains(questions.stages, changes.from_stage), false)
),

spans as (
    select
        question,
        lead_id,
        changed_at as from_at,
        coalesce(
            lead(changed_at) over (partition by question, lead_id order by changed_at), timestamptz 'infinity'
        ) as to_at,
        holds,
    from turns
)

select question, lead_id, from_at, to_at
from spans
where holds
