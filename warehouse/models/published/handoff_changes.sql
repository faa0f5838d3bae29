-- One row per thing that happened to a handoff after it was made: what sales did, or a new owner.
-- key: change_id
-- from: handoff_changes
select
    change_id,
    handoff_id,
    changed_at,
    noted_at,
    source,
    status,
    owner,
    first_contact_at,
    outcome,
    reject_reason,
    assigned_because,
from ledger.handoff_changes
