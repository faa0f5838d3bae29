-- One row per instant at which the sum of the scores of a touched company's leads changes, and by how much.
-- key: question, account_id, instant
-- from: lead_score_changes, rule_account_questions, lead_accounts, touched_accounts
with scores as (
    select
        lead_id,
        changed_at as from_at,
        coalesce(lead(changed_at) over (partition by lead_id order by changed_at), timestamptz 'infinity') as to_at,
        score,
    from lead_score_changes
    where
        exists (select 1 from rule_account_questions where kind = 'score')
        and lead_id in (
            select lead_id from lead_accounts
            where account_id in (select account_id from touched_accounts)
        )
),

spans as (
    select
        lead_accounts.account_id,
        greatest(scores.from_at, lead_accounts.valid_from) as from_at,
        least(scores.to_at, lead_accounts.valid_to) as to_at,
        scores.score,
    from lead_accounts
    semi join touched_accounts using (account_id)
    inner join scores on lead_accounts.lead_id = scores.lead_id
    where greatest(scores.from_at, lead_accounts.valid_from) < least(scores.to_at, lead_accounts.valid_to)
),

joined as (
    -- a company is there from the day of its first lead, with no points
    select account_id, min(valid_from) as from_at
    from lead_accounts
    semi join touched_accounts using (account_id)
    group by account_id
)

select questions.question, changes.account_id, changes.instant, sum(changes.change)::integer as change
from (
    select account_id, from_at as instant, score as change from spans
    union all
    select account_id, to_at as instant, -score as change from spans where isfinite(to_at)
    union all
    select account_id, from_at as instant, 0 as change from joined
) as changes
cross join rule_account_questions as questions
where questions.kind = 'score'
group by questions.question, changes.account_id, changes.instant
