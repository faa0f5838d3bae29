-- One row per local date, segment and tier: how many leads were in both at the end of the day.
-- key: date, segment, tier
-- from: segment_changes
-- Only dates on which a number stands: a segment that nobody is in has no row.
with dates as (
    select unnest(generate_series(min(date), ($as_of at time zone $timezone)::date, interval 1 day))::date as date
    from segment_changes
),

pairs as (
    select distinct segment, tier
    from segment_changes
),

totals as (
    select
        dates.date,
        pairs.segment,
        pairs.tier,
        sum(coalesce(changes.change, 0)) over (
            partition by pairs.segment, pairs.tier order by dates.date
        )::bigint as leads,
    from dates
    cross join pairs
    left join segment_changes as changes
        on dates.date = changes.date and pairs.segment = changes.segment and pairs.tier = changes.tier
)

select date, segment, tier, leads
from totals
where leads > 0
order by all
