-- One row per mail, decided on or not, of the leads of a part: what a decision on one of them has to know of all.
-- key: send_id
-- from: enrolments, leads_at_hand, send_decisions, sends, lead_aliases
select
    enrolments.send_id,
    enrolments.lead_id,
    coalesce(aliases.lead_id, enrolments.lead_id) as current_lead_id,
    enrolments.scenario,
    enrolments.step,
    enrolments.occurrence,
    enrolments.trigger_event_id,
    enrolments.triggered_at,
    enrolments.due_at,
    decisions.decision as earlier_decision,
    coalesce(decisions.is_final, false) as is_decided,
    -- what was given up, or refused by the provider, went to nobody
    coalesce(decisions.decision = 'sent' and coalesce(sends.state not in ('cancelled', 'rejected'), true), false)
        as is_sent,
    not coalesce(decisions.is_final, false) and enrolments.due_at <= $as_of as is_due,
from enrolments
left join warehouse.lead_aliases as aliases on enrolments.lead_id = aliases.alias_lead_id
left join send_decisions as decisions on enrolments.send_id = decisions.send_id
left join sends on enrolments.send_id = sends.send_id
where enrolments.lead_id in (select lead_id from leads_at_hand where part = $part)
