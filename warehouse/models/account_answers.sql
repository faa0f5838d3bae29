-- One row per span of time in which a company answers a question with yes.
-- key: question, account_id, from_at
-- from: account_people, account_acts, account_scores, rule_account_questions
with changes as (
    select * from account_people
    union all
    select * from account_acts
    union all
    select * from account_scores
),

summed as (
    select
        question,
        account_id,
        instant,
        (sum(change) over (partition by question, account_id order by instant))::integer as number,
    from changes
),

judged as (
    select
        summed.question,
        summed.account_id,
        summed.instant,
        summed.number between coalesce(questions.low, -2147483648) and coalesce(questions.high, 2147483647) as holds,
    from summed
    inner join rule_account_questions as questions on summed.question = questions.question
),

turns as (
    select *
    from judged
    qualify
        holds is distinct from coalesce(
            lag(holds) over (partition by question, account_id order by instant), false
        )
),

spans as (
    select
        question,
        account_id,
        instant as from_at,
        coalesce(
            lead(instant) over (partition by question, account_id order by instant), timestamptz 'infinity'
        ) as to_at,
        holds,
    from turns
)

select question, account_id, from_at, to_at
from spans
where holds
