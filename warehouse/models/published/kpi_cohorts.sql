-- One row per local month of first contact and source, segment or scenario: how many leads came, and how far they got.
-- key: month, dimension, value
-- from: lead_journeys, segment_members, sends
-- A lead counts in the one source of its first contact, in every segment it ever was in and in every scenario that
-- mailed it; so only sources add up to the leads. Who clicked was mailed, who met or was contacted was handed off, who
-- won has a deal; any other step may lack the one before. Young months have had less time.
with journeys as (
    select
        *,
        date_trunc('month', first_contact_at at time zone $timezone)::date as month,
        epoch(hot_at - first_contact_at) / 86400 as days_to_hot,
        epoch(handed_off_at - first_contact_at) / 86400 as days_to_handoff,
        epoch(met_at - first_contact_at) / 86400 as days_to_meeting,
        epoch(won_at - first_contact_at) / 86400 as days_to_won,
    from lead_journeys
),

counted_in as (
    select lead_id, 'source' as dimension, source as value
    from lead_journeys
    union all
    select distinct lead_id, 'segment' as dimension, segment as value
    from segment_members
    union all
    select distinct current_lead_id as lead_id, 'scenario' as dimension, scenario as value
    from sends
    where coalesce(sent_at, delivered_at) is not null
)

select
    journeys.month,
    counted_in.dimension,
    counted_in.value,
    count(*) as leads,
    count(journeys.mailed_at) as mailed,
    count(journeys.clicked_at) as clicked,
    count(journeys.hot_at) as hot,
    count(journeys.handed_off_at) as handed_off,
    count(journeys.met_at) as met,
    count(journeys.deal_at) as deals,
    count(journeys.won_at) as won,
    sum(journeys.amount)::decimal(18, 2) as amount,
    median(journeys.days_to_hot) as median_days_to_hot,
    median(journeys.days_to_handoff) as median_days_to_handoff,
    median(journeys.days_to_meeting) as median_days_to_meeting,
    median(journeys.days_to_won) as median_days_to_won,
from journeys
inner join counted_in on journeys.lead_id = counted_in.lead_id
group by all
order by all
