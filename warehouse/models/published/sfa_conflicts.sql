-- One row per field of a lead that both sides had changed between two runs, with the value that stands and the other.
-- key: conflict_id
-- from: sfa_conflicts, lead_aliases
select
    conflicts.conflict_id,
    conflicts.lead_id,
    coalesce(aliases.lead_id, conflicts.lead_id) as current_lead_id,
    conflicts.field,
    conflicts.ours,
    conflicts.theirs,
    conflicts.agreed,
    conflicts.ours_changed_at,
    conflicts.theirs_changed_at,
    conflicts.rule,
    conflicts.winner,
    conflicts.found_at,
from ledger.sfa_conflicts as conflicts
left join warehouse.lead_aliases as aliases on conflicts.lead_id = aliases.alias_lead_id
