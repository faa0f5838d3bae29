-- One row per local date and purchase stage: who came, who moved on, who is there, and what came of it.
-- key: date, stage
-- from: funnel_changes, stages
-- leads_in + entered - moved_on = leads, and a day's leads_in are the day before's leads. Handoffs, meetings and deals
-- stand in the stage the lead is in at that instant.
with dates as (
    select unnest(generate_series(min(date), ($as_of at time zone $timezone)::date, interval 1 day))::date as date
    from funnel_changes
),

filled as (
    select
        dates.date,
        stages.stage,
        stages.position,
        coalesce(days.entered, 0) as entered,
        coalesce(days.moved_on, 0) as moved_on,
        sum(coalesce(days.entered, 0) - coalesce(days.moved_on, 0)) over by_date as leads,
        sum(coalesce(days.hot_change, 0)) over by_date as hot_leads,
        coalesce(days.handoffs, 0) as handoffs,
        coalesce(days.meetings, 0) as meetings,
        coalesce(days.deals_won, 0) as deals_won,
        coalesce(days.amount, 0) as amount,
    from dates
    cross join stages
    left join funnel_changes as days on dates.date = days.date and stages.stage = days.stage
    window by_date as (partition by stages.stage order by dates.date)
)

select
    date,
    stage,
    (leads - entered + moved_on)::bigint as leads_in,
    entered::bigint as entered,
    moved_on::bigint as moved_on,
    leads::bigint as leads,
    hot_leads::bigint as hot_leads,
    handoffs::bigint as handoffs,
    meetings::bigint as meetings,
    deals_won::bigint as deals_won,
    amount::decimal(18, 2) as amount,
from filled
order by date, position
