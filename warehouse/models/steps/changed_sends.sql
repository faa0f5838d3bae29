-- One row per send that events name alone and that went to another lead than was thought: its address is another, or
-- the address belonged to nobody before.
-- key: send_id, old_email
-- from: fresh_send_addresses, send_addresses, changed_identities
select
    fresh.send_id,
    fresh.email,
    known.email as old_email,
from fresh_send_addresses as fresh
left join send_addresses as known on fresh.send_id = known.send_id
where fresh.email is distinct from known.email
union
select
    known.send_id,
    known.email,
    null as old_email,
from send_addresses as known
where known.email in (select value from changed_identities where kind = 'email' and is_new)
