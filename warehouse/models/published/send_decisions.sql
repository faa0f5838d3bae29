-- One row per send key: the decision on its mail.
-- key: send_id
-- from: send_decisions
select
    send_id, lead_id, scenario, step, variant, occurrence, segment, due_at, decision, decided_at, is_final,
    rule_set_version
from ledger.send_decisions
