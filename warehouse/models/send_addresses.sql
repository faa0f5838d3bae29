-- One row per send whose address its provider told: later events may name the send alone.
-- key: send_id
-- from: events
select
    send_id,
    arg_min(email, (occurred_at, event_id)) as email,
from events
where send_id is not null and email is not null and received_at <= $as_of
group by send_id
