-- One row per handoff whose row is made anew: changed in the ledger, or its lead's identity did.
-- key: handoff_id
-- from: handoffs, handoff_changes, leads_in_full
with present as (
    select
        handoff_id,
        hash(
            lead_id, owner, first_owner, route, assigned_because, handed_off_at, due_at, second_due_at, reassigned_at,
            status, status_changed_at, first_contact_at, outcome, reject_reason
        ) as digest,
    from ledger.handoffs
),

published as (
    select
        handoff_id,
        hash(
            lead_id, owner, first_owner, route, assigned_because, handed_off_at, due_at, second_due_at, reassigned_at,
            status, status_changed_at, first_contact_at, outcome, reject_reason
        ) as digest,
    from handoffs
)

select coalesce(present.handoff_id, published.handoff_id) as handoff_id
from present
full join published on present.handoff_id = published.handoff_id
where present.digest is distinct from published.digest
union
select handoff_id
from ledger.handoff_changes
where change_id not in (select published_changes.change_id from before.main.handoff_changes as published_changes)
union
select handoff_id
from handoffs
where current_lead_id in (select leads_in_full.lead_id from leads_in_full)
