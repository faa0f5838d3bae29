-- A request has one row, noted before it leaves and finished after it. Which sends ride in it stands in theirs, written
-- when they are claimed, some hundred requests at a time; of a request that was not taken, also in its own.
alter table attempts add column send_ids varchar[];
alter table attempts add column message_id varchar;
update attempts
set send_ids = riding.send_ids
from (select attempt_id, list(send_id order by send_id) as send_ids from attempt_sends group by attempt_id) as riding
where attempts.attempt_id = riding.attempt_id;
drop table attempt_sends;
create view attempt_sends as
select sends.attempt_id, sends.send_id
from sends
inner join attempts on sends.attempt_id = attempts.attempt_id
union
select attempt_id, unnest(send_ids) as send_id
from attempts;
comment on view attempt_sends is 'Which sends rode in which request.';
comment on column attempts.send_ids is 'The sends of a request that was not taken, which may ride in another since.';
comment on column attempts.message_id is 'What the provider calls the request.';
