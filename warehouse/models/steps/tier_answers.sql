-- One row per span of time in which a lead in scope is of one of the tiers a question names.
-- key: question, lead_id, from_at
-- from: lead_tier_changes, rule_tier_questions
with questions as (
    select question, list(tier) as tiers
    from rule_tier_questions
    group by question
),

turns as (
    select
        questions.question,
        changes.lead_id,
        changes.changed_at,
        list_contains(questions.tiers, changes.to_tier) as holds,
    from lead_tier_changes as changes
    cross join questions
    where
        list_contains(questions.tiers, changes.to_tier)
        != coalesce(list_contains(questions.tiers, changes.from_tier), false)
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
