-- Adds the mails that left and are not known yet.
-- from: new_sends, send_records
insert into send_records by name
select
    send_id,
    email,
    scenario,
    step,
    variant,
    occurrence,
    sent_at as occurred_at,
    $as_of as received_at,
from new_sends
where not exists (select 1 from send_records where send_records.send_id = new_sends.send_id)
order by occurred_at, send_id
