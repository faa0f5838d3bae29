-- One row per span of time in which one deal of a lead in scope is as a question asks.
-- key: question, lead_id, deal, from_at
-- from: scope_deals, rule_deal_questions, scope_leads
select
    questions.question,
    deals.lead_id,
    deals.deal,
    deals.from_at,
    least(
        deals.to_at,
        coalesce(
            later(
                case when questions.status is null then deals.created_at else deals.status_since end,
                questions.lookback_us
            ),
            timestamptz 'infinity'
        )
    ) as to_at,
from scope_deals as deals
inner join rule_deal_questions as questions
    on
        (questions.status is null or deals.status = questions.status)
        and (questions.amount is null or deals.amount >= questions.amount)
where
    deals.lead_id in (select lead_id from scope_leads)
    and deals.from_at < least(
        deals.to_at,
        coalesce(
            later(
                case when questions.status is null then deals.created_at else deals.status_since end,
                questions.lookback_us
            ),
            timestamptz 'infinity'
        )
    )
