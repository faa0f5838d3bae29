-- One row per local date of handoff and owner: how many leads sales got, and how soon it called.
-- key: date, owner
-- from: handoffs
select
    (handed_off_at at time zone $timezone)::date as date,
    owner,
    count(*) as handed_off,
    count(*) filter (first_contact_at <= due_at) as contacted_within_limit,
    -- called too late, or not called and the limit is over
    count(*) filter (coalesce(first_contact_at, $as_of) > due_at) as breached,
    median(epoch(first_contact_at - caused_at) / 3600) as median_hours_to_first_contact,
    count(*) filter (status = 'meeting') as meetings,
    count(*) filter (status = 'won') as won,
    count(*) filter (status = 'lost') as lost,
    count(*) filter (status = 'returned') as returned,
from handoffs
group by all
order by all
