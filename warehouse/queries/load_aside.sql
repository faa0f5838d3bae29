-- One row per event that has to be looked at closely: it may be faulty, need cleaning, or share its key with others.
-- from: load_plain
-- Keys are compared by a hash of eight bytes, which is quick and at worst lays aside a row too many.
create or replace temp table load_repeated as
select key_hash
from load_plain
group by key_hash
having count(*) > 1;

create or replace temp table load_aside as
select row
from load_plain
where
    fault_reason is not null
    or is_unclean
    or event_type is null
    or not regexp_full_match(event_type, '[a-z][a-z0-9_]*')
    or occurred_at is null
    or not load_is_stamp(occurred_at)
    or not load_is_plain_address(email)
    or (email is null and external_id is null and visitor is null and send_id is null);
