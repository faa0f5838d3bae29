-- One row per reason and span of time: leads that sales gave back for it, and those handed off in the span.
-- key: reason, number
-- from: review_spans, handoffs, handoff_changes
with returned as (
    select
        handoff_id,
        max(changed_at) as returned_at,
        arg_max(reject_reason, changed_at) as reason,
    from handoff_changes
    where status = 'returned'
    group by handoff_id
),

counted as (
    select
        spans.number,
        coalesce(returned.reason, '') as reason,
        count(*) as returns,
    from review_spans as spans
    inner join returned on returned.returned_at >= spans.started_at and returned.returned_at < spans.ended_at
    where spans.number < 2
    group by all
),

reasons as (
    select distinct reason from counted
),

handed_off as (
    select
        spans.number,
        count(*) as handoffs,
    from review_spans as spans
    inner join handoffs on handoffs.handed_off_at >= spans.started_at and handoffs.handed_off_at < spans.ended_at
    where spans.number < 2
    group by spans.number
)

select
    reasons.reason,
    spans.number,
    coalesce(counted.returns, 0) as returns,
    coalesce(handed_off.handoffs, 0) as handoffs,
from reasons
cross join (select number from review_spans where number < 2) as spans
left join counted on reasons.reason = counted.reason and spans.number = counted.number
left join handed_off on spans.number = handed_off.number
order by reasons.reason, spans.number
