-- One row per local date and purchase stage of those published before: who came, who moved on and what came of it.
-- key: date, stage
-- from: kpi_funnel_daily
select
    stage,
    date,
    entered,
    moved_on,
    hot_leads - coalesce(lag(hot_leads) over (partition by stage order by date), 0) as hot_change,
    handoffs,
    meetings,
    deals_won,
    amount,
from kpi_funnel_daily
