-- One row per instant at which the leads of a touched company had done a behaviour once more or once less within the
-- window.
-- key: question, account_id, instant
-- from: lead_behaviours, rule_account_questions, rule_behaviours, lead_accounts, touched_accounts
with acts as (
    select
        questions.question,
        lead_accounts.account_id,
        behaviours.occurred_at,
        questions.lookback_us,
    from lead_accounts
    semi join touched_accounts using (account_id)
    inner join lead_behaviours as behaviours
        on
            lead_accounts.lead_id = behaviours.lead_id
            and behaviours.occurred_at >= lead_accounts.valid_from
            and behaviours.occurred_at < lead_accounts.valid_to
    inner join rule_account_questions as questions on behaviours.behaviour = questions.behaviour
    inner join rule_behaviours on behaviours.behaviour = rule_behaviours.behaviour
    where
        not behaviours.is_machine and not behaviours.is_opt_out_click
        and (behaviours.is_counted or rule_behaviours.event_type = 'any')
)

select question, account_id, instant, sum(change)::integer as change
from (
    select question, account_id, occurred_at as instant, 1 as change from acts
    union all
    select question, account_id, later(occurred_at, lookback_us) as instant, -1 as change
    from acts
    where lookback_us is not null
)
group by question, account_id, instant
