-- One row per mail to a lead: what became of it, and the first human open, click and conversion.
-- key: send_id
-- from: mail_outcomes, conversions
select
    outcomes.send_id,
    outcomes.lead_id,
    outcomes.current_lead_id,
    outcomes.scenario,
    outcomes.step,
    outcomes.variant,
    outcomes.occurrence,
    outcomes.segment,
    outcomes.category,
    outcomes.state,
    outcomes.state_reason,
    outcomes.due_at,
    outcomes.planned_at,
    outcomes.sent_at,
    outcomes.delivered_at,
    outcomes.opened_at,
    outcomes.clicked_at,
    conversions.converted_at,
    outcomes.bounced_at,
    outcomes.dropped_at,
    outcomes.unsubscribed_at,
    outcomes.complained_at,
    outcomes.state_changed_at,
    outcomes.rule_set_version,
from mail_outcomes as outcomes
left join conversions on outcomes.send_id = conversions.send_id
