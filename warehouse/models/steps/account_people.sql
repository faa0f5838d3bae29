-- One row per instant at which so many more or fewer people of a touched company answer with yes.
-- key: question, account_id, instant
-- from: member_answers, rule_account_questions, lead_accounts, touched_accounts
with spans as (
    select
        questions.question,
        lead_accounts.account_id,
        greatest(answers.from_at, lead_accounts.valid_from) as from_at,
        least(answers.to_at, lead_accounts.valid_to) as to_at,
    from lead_accounts
    semi join touched_accounts using (account_id)
    inner join member_answers as answers on lead_accounts.lead_id = answers.lead_id
    inner join rule_account_questions as questions on answers.question = questions.asked
    where greatest(answers.from_at, lead_accounts.valid_from) < least(answers.to_at, lead_accounts.valid_to)
)

select question, account_id, instant, sum(change)::integer as change
from (
    select question, account_id, from_at as instant, 1 as change from spans
    union all
    select question, account_id, to_at as instant, -1 as change from spans where isfinite(to_at)
)
group by question, account_id, instant
