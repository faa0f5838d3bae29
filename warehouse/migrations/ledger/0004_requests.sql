-- Which sends ride in a request stands in the request's own row: one row a request is noted before it leaves and
-- finished after it, and the thousand sends of each move together, some hundred requests at a time.
alter table attempts add column send_ids varchar[];
alter table attempts add column message_id varchar;
alter table attempts add column settled_at timestamptz;
update attempts
set
    send_ids = riding.send_ids,
    settled_at = case when attempts.outcome != 'sending' then coalesce(attempts.finished_at, attempts.started_at) end
from (select attempt_id, list(send_id order by send_id) as send_ids from attempt_sends group by attempt_id) as riding
where attempts.attempt_id = riding.attempt_id;
drop table attempt_sends;
create view attempt_sends as
select attempt_id, unnest(send_ids) as send_id
from attempts;
comment on view attempt_sends is 'Which sends rode in which request.';
comment on column attempts.message_id is 'What the provider calls the request.';
comment on column attempts.settled_at is 'When its outcome was written to its sends; NULL until then.';
