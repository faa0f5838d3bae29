-- One row per mail to a lead: what became of it, and the first human open, click and conversion.
-- key: send_id
-- from: scope_sends, send_outcomes, lead_aliases, asked_acts, rule_steps, rule_variants, rule_set
with outcomes as (
    select
        scope_sends.* exclude (email),
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
    left join warehouse.lead_aliases as aliases on scope_sends.lead_id = aliases.alias_lead_id
    left join warehouse.send_outcomes on scope_sends.send_id = send_outcomes.send_id
),

credits as (
    -- an event that a mail asked for credits the last delivered mail that asked for it, within the window
    select
        outcomes.send_id,
        asked_acts.occurred_at,
    from outcomes
    inner join warehouse.rule_steps using (scenario, step)
    left join warehouse.rule_variants using (scenario, step, variant)
    inner join asked_acts
        on
            outcomes.current_lead_id = asked_acts.lead_id
            and coalesce(rule_variants.cta_behaviour, rule_steps.cta_behaviour) = asked_acts.behaviour
    cross join warehouse.rule_set
    where
        outcomes.delivered_at <= asked_acts.occurred_at
        and outcomes.delivered_at > asked_acts.occurred_at - rule_set.conversion_window
    qualify
        row_number() over (
            partition by asked_acts.event_id, asked_acts.behaviour
            order by outcomes.delivered_at desc, outcomes.send_id
        ) = 1
),

conversions as (
    select send_id, min(occurred_at) as converted_at
    from credits
    group by send_id
)

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
from outcomes
left join conversions on outcomes.send_id = conversions.send_id
