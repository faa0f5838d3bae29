-- One row per handoff whose row is made anew: changed in the ledger, or its lead's identity did.
-- key: handoff_id
-- from: handoffs, handoff_changes, told_changes, lead_aliases
with renamed as (
    select id as lead_id
    from told_changes
    where table_name = 'lead_aliases'
),

known_as as (
    select lead_id from renamed
    union
    select alias_lead_id as lead_id
    from warehouse.lead_aliases
    where lead_id in (select renamed.lead_id from renamed)
),

present as (
    select
        handoff_id,
        hash(
            lead_id, cause, cause_event_id, caused_at, owner, first_owner, route, assigned_because, handed_off_at,
            due_at, second_due_at, reassigned_at, status, status_changed_at, first_contact_at, outcome, reject_reason,
            rule_set_version
        ) as digest,
    from ledger.handoffs
),

published as (
    select
        handoff_id,
        hash(
            lead_id, cause, cause_event_id, caused_at, owner, first_owner, route, assigned_because, handed_off_at,
            due_at, second_due_at, reassigned_at, status, status_changed_at, first_contact_at, outcome, reject_reason,
            rule_set_version
        ) as digest,
    from before.main.handoffs
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
from ledger.handoffs
where lead_id in (select known_as.lead_id from known_as)
