-- One row per message to sales, to a person or a room.
-- key: notice_id
-- from: notices
select
    notice_id,
    kind,
    way,
    recipient,
    lead_id,
    cause,
    cause_event_id,
    handoff_id,
    owner,
    on_date,
    state,
    state_reason,
    planned_at,
    sent_at,
    state_changed_at,
from ledger.notices
