-- One row per span of time in which a lead in scope belongs to a company that answers a question with yes.
-- key: question, lead_id, from_at
-- from: account_answers, lead_accounts, scope_leads
select
    answers.question,
    lead_accounts.lead_id,
    greatest(answers.from_at, lead_accounts.valid_from) as from_at,
    least(answers.to_at, lead_accounts.valid_to) as to_at,
from lead_accounts
semi join scope_leads using (lead_id)
inner join account_answers as answers on lead_accounts.account_id = answers.account_id
where greatest(answers.from_at, lead_accounts.valid_from) < least(answers.to_at, lead_accounts.valid_to)
