-- One row per local date, segment and tier: by how many the leads in both changed, of the leads looked at.
-- key: date, segment, tier
-- from: segment_members, lead_tier_changes
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
)

select date, segment, tier, sum(step)::bigint as change
from steps
group by date, segment, tier
