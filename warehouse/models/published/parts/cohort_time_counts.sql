-- One row per local month of first contact, source, segment or scenario, step and days: how many leads took so many.
-- key: month, dimension, value, step, days
-- from: lead_journeys
with reached as (
    select *, 'hot' as step, hot_at as reached_at
    from lead_journeys
    where hot_at is not null
    union all
    select *, 'handed_off' as step, handed_off_at as reached_at
    from lead_journeys
    where handed_off_at is not null
    union all
    select *, 'met' as step, met_at as reached_at
    from lead_journeys
    where met_at is not null
    union all
    select *, 'won' as step, won_at as reached_at
    from lead_journeys
    where won_at is not null
),

timed as (
    select
        date_trunc('month', first_contact_at at time zone $timezone)::date as month,
        source,
        segments,
        scenarios,
        step,
        ((epoch_us(reached_at) - epoch_us(first_contact_at)) // 86400000000)::integer as days,
    from reached
),

counted_in as (
    select month, 'source' as dimension, source as value, step, days
    from timed
    union all
    select month, 'segment' as dimension, unnest(segments) as value, step, days
    from timed
    union all
    select month, 'scenario' as dimension, unnest(scenarios) as value, step, days
    from timed
)

select month, dimension, value, step, days, count(*) as leads
from counted_in
group by month, dimension, value, step, days
