-- One row per mail whose row is made anew: what the ledger says of it.
-- key: send_id
-- from: sends, told_sends, old_mails
select
    send_id, lead_id, scenario, step, variant, occurrence, segment, category, state, state_reason, due_at, planned_at,
    sent_at, state_changed_at, rule_set_version
from ledger.sends
where rowid in (select told_sends.position from told_sends)
union all
select
    old_mails.send_id, old_mails.lead_id, scenario, step, variant, occurrence, segment, category, state, state_reason,
    due_at, old_mails.planned_at, sent_at, state_changed_at, rule_set_version
from old_mails
inner join told_sends on old_mails.send_id = told_sends.send_id
where told_sends.position is null
