-- One row per local date, segment and tier: how many leads were in both at the end of the day.
-- key: date, segment, tier
-- from: segment_members, lead_tier_changes
-- Only dates on which a number stands: a segment that nobody is in has no row.
with tier_stays as (
    select
        lead_id,
        to_tier as tier,
        changed_at as entered_at,
        coalesce(lead(changed_at) over (partition by lead_id order by changed_at), timestamptz 'infinity') as left_at,
    from lead_tier_changes
),

stays as (
    select
        segment_members.segment,
        tier_stays.tier,
        greatest(segment_members.entered_at, tier_stays.entered_at) as entered_at,
        least(coalesce(segment_members.left_at, timestamptz 'infinity'), tier_stays.left_at) as left_at,
    from segment_members
    inner join tier_stays
        on
            segment_members.lead_id = tier_stays.lead_id
            and segment_members.entered_at < tier_stays.left_at
            and coalesce(segment_members.left_at, timestamptz 'infinity') > tier_stays.entered_at
),

steps as (
    select segment, tier, (entered_at at time zone $timezone)::date as date, 1 as step
    from stays
    union all
    select segment, tier, (left_at at time zone $timezone)::date as date, -1 as step
    from stays
    where left_at != timestamptz 'infinity'
),

changes as (
    select segment, tier, date, sum(step) as change
    from steps
    group by segment, tier, date
),

dates as (
    select unnest(generate_series(min(date), ($as_of at time zone $timezone)::date, interval 1 day))::date as date
    from changes
),

pairs as (
    select distinct segment, tier
    from changes
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
    left join changes
        on dates.date = changes.date and pairs.segment = changes.segment and pairs.tier = changes.tier
)

select date, segment, tier, leads
from totals
where leads > 0
order by all
