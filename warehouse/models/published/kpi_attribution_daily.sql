-- One row per local date, scenario and step: the deals won that day, given to the mails before them by three models.
-- key: date, scenario, step
-- from: deals, deal_mails
-- It describes and does not prove: leads who would have bought anyway get mails, too; what nurturing brings is measured
-- by the holdout. Deals that no mail preceded stand under "none", so each model adds up to the deals won of the day,
-- also those of nobody we know. Decimals add up to the same in whatever order.
with credits as (
    select
        deals.won_at,
        coalesce(deal_mails.scenario, 'none') as scenario,
        coalesce(deal_mails.step, 'none') as step,
        coalesce(deals.amount, 0) as amount,
        coalesce(deal_mails.first_share, 1) as first_share,
        coalesce(deal_mails.last_share, 1) as last_share,
        coalesce(deal_mails.linear_share, 1) as linear_share,
    from deals
    left join deal_mails on deals.source = deal_mails.source and deals.deal_id = deal_mails.deal_id
    where deals.status = 'won'
)

select
    (won_at at time zone $timezone)::date as date,
    scenario,
    step,
    sum(first_share)::bigint as first_deals,
    sum(last_share)::bigint as last_deals,
    sum(linear_share::decimal(18, 9))::double as linear_deals,
    sum(if(first_share = 1, amount, 0))::decimal(18, 2) as first_amount,
    sum(if(last_share = 1, amount, 0))::decimal(18, 2) as last_amount,
    sum((amount * linear_share)::decimal(27, 9))::double as linear_amount,
from credits
group by all
order by all
