-- One row per send that a run has changed since the publication before, or that its provider told something of.
-- key: send_id
-- from: sends, told_changes
select send_id
from ledger.sends
where state_changed_at >= $since or noted_at >= $since or planned_at >= $since
union
select id as send_id
from told_changes
where table_name = 'send_outcomes'
