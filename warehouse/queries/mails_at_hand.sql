-- One row per mail of the leads of a part that a decision has to know of: what is due, and what bears on it.
-- key: send_id
-- from: enrolments, leads_at_hand, instants_at_hand, send_decisions, sends
-- On a mail bear those that were due to its lead at the same instant, which may answer the same trigger; and all of a
-- lead that two turned out to be.
with bearing as materialized (
    select
        enrolments.send_number,
        enrolments.send_id,
        enrolments.lead_id,
        leads.current_lead_id,
        enrolments.scenario,
        enrolments.step,
        enrolments.occurrence,
        enrolments.trigger_event_id,
        enrolments.triggered_at,
        enrolments.due_at,
    from enrolments
    inner join (select * from leads_at_hand where part = $part) as leads on enrolments.lead_id = leads.lead_id
    where leads.is_merged or enrolments.due_at in (select instants_at_hand.due_at from instants_at_hand)
)

select
    bearing.*,
    decisions.decision as earlier_decision,
    coalesce(decisions.is_final, false) as is_decided,
    -- what was given up, or refused by the provider, went to nobody
    coalesce(decisions.decision = 'sent' and coalesce(sends.state not in ('cancelled', 'rejected'), true), false)
        as is_sent,
    not coalesce(decisions.is_final, false) and bearing.due_at <= $as_of as is_due,
from bearing
left join send_decisions as decisions on bearing.send_number = decisions.send_number
left join sends on bearing.send_number = sends.send_number
