-- One row per local date of handoff and rep who got it: how many leads sales got, how soon it called, what came of it.
-- key: date, owner
-- from: handoffs, notices
-- waiting + contacted + meetings + won + lost + returned = handed_off
with told as (
    select
        handoff_id,
        bool_or(kind = 'reminder') as is_reminded,
        bool_or(kind = 'escalation') as is_escalated,
    from notices
    where state in ('accepted', 'unknown') and handoff_id is not null
    group by handoff_id
),

answered as (
    select
        handoffs.*,
        coalesce(told.is_reminded, false) as is_reminded,
        coalesce(told.is_escalated, false) as is_escalated,
        -- whoever gives a lead back has answered, though nobody called
        coalesce(first_contact_at, case when status = 'returned' then status_changed_at end, $as_of) as answered_at,
    from handoffs
    left join told on handoffs.handoff_id = told.handoff_id
)

select
    (handed_off_at at time zone $timezone)::date as date,
    first_owner as owner,
    count(*) as handed_off,
    count(*) filter (first_contact_at <= due_at) as contacted_within_limit,
    -- called too late, or not called and the limit is over
    count(*) filter (answered_at > due_at) as breached,
    count(*) filter (is_reminded) as reminded,
    count(*) filter (is_escalated) as escalated,
    count(*) filter (reassigned_at is not null) as reassigned,
    median(epoch(first_contact_at - caused_at) / 3600) as median_hours_to_first_contact,
    count(*) filter (status in ('new', 'accepted')) as waiting,
    count(*) filter (status = 'contacted') as contacted,
    count(*) filter (status = 'meeting') as meetings,
    count(*) filter (status = 'won') as won,
    count(*) filter (status = 'lost') as lost,
    count(*) filter (status = 'returned') as returned,
from answered
group by all
order by all
