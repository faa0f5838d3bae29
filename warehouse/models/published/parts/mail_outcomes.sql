-- One row per mail looked at: what became of it, and the first human open and click.
-- key: send_id
-- from: scope_sends, scope_outcomes, scope_aliases
select
    scope_sends.send_id,
    scope_sends.lead_id,
    scope_sends.scenario,
    scope_sends.step,
    scope_sends.variant,
    scope_sends.occurrence,
    scope_sends.segment,
    scope_sends.category,
    scope_sends.state,
    scope_sends.state_reason,
    scope_sends.due_at,
    scope_sends.planned_at,
    scope_sends.sent_at,
    scope_sends.state_changed_at,
    scope_sends.rule_set_version,
    coalesce(aliases.lead_id, scope_sends.lead_id) as current_lead_id,
    send_outcomes.delivered_at,
    -- a click proves an open that no picture told of
    case
        when send_outcomes.delivered_at is not null
            then least(send_outcomes.opened_at, send_outcomes.clicked_at)
    end as opened_at,
    case when send_outcomes.delivered_at is not null then send_outcomes.clicked_at end as clicked_at,
    send_outcomes.bounced_at,
    send_outcomes.dropped_at,
    send_outcomes.unsubscribed_at,
    send_outcomes.complained_at,
from scope_sends
left join scope_aliases as aliases on scope_sends.lead_id = aliases.alias_lead_id
left join scope_outcomes as send_outcomes on scope_sends.send_id = send_outcomes.send_id
