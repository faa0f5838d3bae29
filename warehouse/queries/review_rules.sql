-- One row per scoring rule, landmark and band of other points: leads with the rule's points before the landmark, leads
-- without them, and how many of each became deals within the time after it.
-- key: rule, number, band
-- from: review_landmarks, review_rules, lead_score_points, leads, deals
-- Looked at are leads without a deal at the landmark, by what they had done before it; so no point that came with or
-- after a deal counts, and nobody has to have lived through the time to be counted (a landmark analysis). Points for
-- a behaviour count from so long before; those for what holds of a lead from whenever it began to hold.
with first_deals as (
    select
        lead_id,
        min(created_at) as deal_at,
        -- of the first deal, whether it was won or not; a win taken back is none; of several of one instant any counts
        arg_min_null(if(status = 'won', won_at, null), (created_at, status != 'won', won_at)) as won_at,
    from deals
    where lead_id is not null
    group by lead_id
),

eligible as (
    select
        landmarks.number,
        leads.lead_id,
        coalesce(first_deals.deal_at < landmarks.ended_at, false) as has_deal,
        coalesce(first_deals.deal_at < landmarks.ended_at and first_deals.won_at < landmarks.ended_at, false) as is_won,
    from review_landmarks as landmarks
    inner join leads on leads.created_at < landmarks.started_at
    left join first_deals on leads.lead_id = first_deals.lead_id
    where first_deals.deal_at is null or first_deals.deal_at >= landmarks.started_at
),

earned as (
    select
        landmarks.number,
        points.lead_id,
        points.rule,
        sum(points.points_given) as points,
    from review_landmarks as landmarks
    inner join lead_score_points as points
        on
            points.occurred_at < landmarks.started_at
            and (points.event_id is null or points.occurred_at >= landmarks.opened_at)
    inner join review_rules on points.rule = review_rules.rule
    group by landmarks.number, points.lead_id, points.rule
),

totals as (
    select
        eligible.*,
        coalesce(sum(earned.points), 0) as points,
    from eligible
    left join earned on eligible.number = earned.number and eligible.lead_id = earned.lead_id
    group by all
),

with_points as (
    select
        earned.rule,
        totals.number,
        totals.has_deal,
        totals.is_won,
        points_band(totals.points - earned.points) as band_of_others,
        points_band(totals.points) as band,
    from totals
    inner join earned on totals.number = earned.number and totals.lead_id = earned.lead_id
),

holders as (
    select
        rule,
        number,
        band_of_others as band,
        count(*) as leads,
        count(*) filter (where has_deal) as deals,
        count(*) filter (where is_won) as won,
    from with_points
    group by all
),

-- of all leads of a band, those that have the rule's points are not among those without
removed as (
    select
        rule,
        number,
        band,
        count(*) as leads,
        count(*) filter (where has_deal) as deals,
        count(*) filter (where is_won) as won,
    from with_points
    group by all
),

everyone as (
    select
        number,
        points_band(points) as band,
        count(*) as leads,
        count(*) filter (where has_deal) as deals,
        count(*) filter (where is_won) as won,
    from totals
    group by all
)

select
    holders.rule,
    holders.number,
    holders.band,
    holders.leads,
    holders.deals,
    holders.won,
    coalesce(everyone.leads, 0) - coalesce(removed.leads, 0) as others,
    coalesce(everyone.deals, 0) - coalesce(removed.deals, 0) as deals_of_others,
    coalesce(everyone.won, 0) - coalesce(removed.won, 0) as won_of_others,
from holders
left join everyone on holders.number = everyone.number and holders.band = everyone.band
left join removed
    on holders.rule = removed.rule and holders.number = removed.number and holders.band = removed.band
order by holders.rule, holders.number, holders.band
