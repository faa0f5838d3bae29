-- One row per reason and segment: of the handoffs that sales has answered, those given back for the reason, of leads
-- that were in the segment when they were handed off and of all others.
-- key: reason, segment
-- from: handoffs, segment_members
-- Handoffs for a person's own request are never withheld, whatever the segment, and left out.
with answered as (
    select
        handoff_id,
        current_lead_id,
        handed_off_at,
        met_at,
        case when status = 'returned' then coalesce(reject_reason, '') end as reason,
    from handoffs
    where
        status in ('contacted', 'meeting', 'won', 'lost', 'returned')
        and status_changed_at < $until
        and handed_off_at >= $since
        and cause not in (select unnest($requests))
),

of_segments as (
    select
        members.segment,
        answered.*,
    from answered
    inner join segment_members as members
        on
            answered.current_lead_id = members.lead_id
            and answered.handed_off_at >= members.entered_at
            and (members.left_at is null or answered.handed_off_at < members.left_at)
),

reasons as (
    select
        reason,
        count(*) as returned_of_all,
    from answered
    where reason is not null
    group by reason
)

select
    reasons.reason,
    of_segments.segment,
    count(*) filter (where of_segments.reason = reasons.reason) as returned,
    count(*) as answered,
    -- also where the deal was lost, or the lead given back, after the meeting
    count(of_segments.met_at) as met,
    any_value(reasons.returned_of_all) as returned_of_all,
    (select count(*) from answered) as answered_of_all,
from reasons
cross join of_segments
group by reasons.reason, of_segments.segment
order by reasons.reason, of_segments.segment
