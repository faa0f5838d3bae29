-- One row per local date, segment and tier of those published before: by how many the leads in both changed.
-- key: date, segment, tier
-- from: kpi_segment_daily
-- A day has as many leads more than the day before, whose row is missing where nobody was in both.
select
    date,
    segment,
    tier,
    sum(change)::bigint as change,
from (
    select date, segment, tier, leads as change
    from kpi_segment_daily
    union all
    select date + 1 as date, segment, tier, -leads as change
    from kpi_segment_daily
    where date < ($since at time zone $timezone)::date
)
group by date, segment, tier
having sum(change) != 0
