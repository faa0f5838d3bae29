-- One row per local month of first contact and source, segment or scenario: how many leads came, and how far they got.
-- key: month, dimension, value
-- from: cohort_counts, lead_journeys
-- A lead counts in the one source of its first contact, in every segment it ever was in and in every scenario that
-- mailed it; so only sources add up to the leads. Who clicked was mailed, who met or was contacted was handed off, who
-- won has a deal; any other step may lack the one before. Young months have had less time.
with timed as (
    -- few leads come to any of these steps, so all of them are looked at each time
    select
        *,
        date_trunc('month', first_contact_at at time zone $timezone)::date as month,
        (epoch_us(hot_at) - epoch_us(first_contact_at)) / 86400e6 as days_to_hot,
        (epoch_us(handed_off_at) - epoch_us(first_contact_at)) / 86400e6 as days_to_handoff,
        (epoch_us(met_at) - epoch_us(first_contact_at)) / 86400e6 as days_to_meeting,
        (epoch_us(won_at) - epoch_us(first_contact_at)) / 86400e6 as days_to_won,
    from lead_journeys
    where coalesce(hot_at, handed_off_at, met_at, won_at) is not null
),

counted_in as (
    select *, 'source' as dimension, source as value
    from timed
    union all
    select *, 'segment' as dimension, unnest(segments) as value
    from timed
    union all
    select *, 'scenario' as dimension, unnest(scenarios) as value
    from timed
),

times as (
    select
        month,
        dimension,
        value,
        median(days_to_hot) as median_days_to_hot,
        median(days_to_handoff) as median_days_to_handoff,
        median(days_to_meeting) as median_days_to_meeting,
        median(days_to_won) as median_days_to_won,
    from counted_in
    group by all
)

select
    counts.month,
    counts.dimension,
    counts.value,
    counts.leads::bigint as leads,
    counts.mailed::bigint as mailed,
    counts.clicked::bigint as clicked,
    counts.hot::bigint as hot,
    counts.handed_off::bigint as handed_off,
    counts.met::bigint as met,
    counts.deals::bigint as deals,
    counts.won::bigint as won,
    counts.amount::decimal(18, 2) as amount,
    times.median_days_to_hot,
    times.median_days_to_handoff,
    times.median_days_to_meeting,
    times.median_days_to_won,
from cohort_counts as counts
left join times
    on
        counts.month = times.month
        and counts.dimension = times.dimension
        and counts.value is not distinct from times.value
order by all
