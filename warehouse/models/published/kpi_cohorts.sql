-- One row per local month of first contact and source, segment or scenario: how many leads came, and how far they got.
-- key: month, dimension, value
-- from: cohort_counts, cohort_time_counts
-- A lead counts in the one source of its first contact, in every segment it ever was in and in every scenario that
-- mailed it; so only sources add up to the leads. Who clicked was mailed, who met or was contacted was handed off, who
-- won has a deal; any other step may lack the one before. Young months have had less time. A median is the least number
-- of whole days within which half of those who came to the step did.
with added_up as (
    select
        month,
        dimension,
        value,
        step,
        days,
        sum(leads) over (partition by month, dimension, value, step order by days) as leads_by_then,
        sum(leads) over (partition by month, dimension, value, step) as leads,
    from cohort_time_counts
),

times as (
    select
        month,
        dimension,
        value,
        min(days) filter (step = 'hot') as median_days_to_hot,
        min(days) filter (step = 'handed_off') as median_days_to_handoff,
        min(days) filter (step = 'met') as median_days_to_meeting,
        min(days) filter (step = 'won') as median_days_to_won,
    from added_up
    where leads_by_then * 2 >= leads
    group by month, dimension, value
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
