-- One row per mail that left and is no fact yet.
-- key: send_id
-- from: sends, known_sends
-- When a mail left may become known later than it happened, so no instant tells which are new.
select
    send_id,
    email,
    scenario,
    step,
    variant,
    occurrence,
    sent_at,
from sends
where
    sent_at is not null
    and not exists (select 1 from known_sends where known_sends.send_id = sends.send_id)
