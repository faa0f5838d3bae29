-- One row per mail a lead was in line for by an instant: what was decided then, and what had become of it.
-- key: lead_id, scenario, step, occurrence
-- from: enrolments, send_decision_changes, send_decisions, sends, send_outcomes, lead_aliases
with decided as (
    select
        decisions.send_id,
        decisions.rule_set_version,
        arg_max(changes.decision, changes.decided_at) as decision,
        max(changes.decided_at) as decided_at,
        arg_max(changes.is_final, changes.decided_at) as is_final,
    from ledger.send_decisions as decisions
    inner join ledger.send_decision_changes as changes on decisions.send_id = changes.send_id
    where changes.decided_at <= $as_of
    group by all
)

select
    enrolments.lead_id,
    enrolments.scenario,
    enrolments.step,
    enrolments.occurrence,
    enrolments.trigger_event_id,
    enrolments.triggered_at,
    enrolments.due_at,
    decided.send_id,
    decided.decision,
    decided.decided_at,
    coalesce(decided.is_final, false) as is_final,
    coalesce(decided.rule_set_version, enrolments.rule_set_version) as rule_set_version,
    case
        when sends.state_changed_at <= $as_of then sends.state
        when sends.sent_at <= $as_of then 'accepted'
        when sends.planned_at <= $as_of then 'planned'
    end as state,
    case when sends.state_changed_at <= $as_of then sends.state_reason end as state_reason,
    case when sends.sent_at <= $as_of then sends.sent_at end as sent_at,
    outcomes.delivered_at,
    -- a click proves an open that no picture told of
    case when outcomes.delivered_at is not null then least(outcomes.opened_at, outcomes.clicked_at) end as opened_at,
    case when outcomes.delivered_at is not null then outcomes.clicked_at end as clicked_at,
    outcomes.bounced_at,
    outcomes.unsubscribed_at,
    outcomes.complained_at,
from ledger.enrolments
left join decided on enrolments.send_id = decided.send_id
left join ledger.sends on decided.send_id = sends.send_id
left join send_outcomes as outcomes on decided.send_id = outcomes.send_id
where
    enrolments.enrolled_at <= $as_of
    and enrolments.lead_id in (select alias_lead_id from lead_aliases where lead_id = $lead_id)
order by enrolments.triggered_at, enrolments.due_at, enrolments.scenario, enrolments.step
