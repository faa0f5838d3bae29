-- One row per span of time in which the score of a lead in scope is within a question's bounds.
-- key: question, lead_id, from_at
-- from: lead_starts, lead_score_changes, rule_score_questions
with questions as (
    select
        question,
        coalesce(low, -2147483648) as low,
        coalesce(high, 2147483647) as high,
    from rule_score_questions
),

turns as (
    -- a lead starts with no points; a change at that very instant stands for it
    select questions.question, lead_starts.lead_id, lead_starts.created_at as from_at, true as holds
    from lead_starts
    inner join questions on questions.low <= 0 and questions.high >= 0
    anti join lead_score_changes as changes
        on lead_starts.lead_id = changes.lead_id and lead_starts.created_at = changes.changed_at
    union all
    select
        questions.question,
        changes.lead_id,
        changes.changed_at as from_at,
        changes.score between questions.low and questions.high as holds,
    from lead_score_changes as changes
    inner join questions
        on
            (changes.score between questions.low and questions.high)
            != (changes.score - changes.points between questions.low and questions.high)
    union all
    -- at its start a lead was in no bounds before
    select
        questions.question,
        changes.lead_id,
        changes.changed_at as from_at,
        true as holds,
    from lead_score_changes as changes
    inner join lead_starts on changes.lead_id = lead_starts.lead_id and changes.changed_at = lead_starts.created_at
    inner join questions
        on
            changes.score between questions.low and questions.high
            and changes.score - changes.points between questions.low and questions.high
),

spans as (
    select
        question,
        lead_id,
        from_at,
        coalesce(
            lead(from_at) over (partition by question, lead_id order by from_at), timestamptz 'infinity'
        ) as to_at,
        holds,
    from turns
)

select question, lead_id, from_at, to_at
from spans
where holds
