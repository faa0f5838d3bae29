-- One row per local month of first contact and source, segment or scenario, of the leads looked at: their counts.
-- key: month, dimension, value
-- from: lead_journeys
with counted_in as (
    select *, 'source' as dimension, source as value
    from lead_journeys
    union all
    select *, 'segment' as dimension, unnest(segments) as value
    from lead_journeys
    union all
    select *, 'scenario' as dimension, unnest(scenarios) as value
    from lead_journeys
)

select
    date_trunc('month', first_contact_at at time zone $timezone)::date as month,
    dimension,
    value,
    count(*) as leads,
    count(mailed_at) as mailed,
    count(clicked_at) as clicked,
    count(hot_at) as hot,
    count(handed_off_at) as handed_off,
    count(met_at) as met,
    count(deal_at) as deals,
    count(won_at) as won,
    sum(amount) as amount,
from counted_in
group by all
