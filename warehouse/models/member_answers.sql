-- One row per span of time in which a lead answers with yes what companies are asked of their people.
-- key: question, lead_id, from_at
-- from: lead_answers, rule_account_questions
select lead_answers.question, lead_answers.lead_id, lead_answers.from_at, lead_answers.to_at
from lead_answers
where lead_answers.question in (select asked from rule_account_questions)
