-- One row per mail to a lead: what became of it, and the first human open, click and conversion.
-- key: send_id
-- from: sends, send_outcomes, lead_aliases, lead_behaviours, rule_steps, rule_variants, rule_set
with outcomes as (
    select
        ledger_sends.* exclude (email),
        coalesce(aliases.lead_id, ledger_sends.lead_id) as current_lead_id,
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
    from ledger.sends as ledger_sends
    left join warehouse.lead_aliases as aliases on ledger_sends.lead_id = aliases.alias_lead_id
    left join warehouse.send_outcomes on ledger_sends.send_id = send_outcomes.send_id
),

credits as (
    -- an event that a mail asked for credits the last delivered mail that asked for it, within the window
    select
        outcomes.send_id,
        lead_behaviours.occurred_at,
    from outcomes
    inner join warehouse.rule_steps using (scenario, step)
    left join warehouse.rule_variants using (scenario, step, variant)
    inner join warehouse.lead_behaviours
        on
            outcomes.current_lead_id = lead_behaviours.lead_id
            and coalesce(rule_variants.cta_behaviour, rule_steps.cta_behaviour) = lead_behaviours.behaviour
    cross join warehouse.rule_set
    where
        not lead_behaviours.is_machine
        and outcomes.delivered_at <= lead_behaviours.occurred_at
        and outcomes.delivered_at > lead_behaviours.occurred_at - rule_set.conversion_window
    qualify
        row_number() over (
            partition by lead_behaviours.event_id, lead_behaviours.behaviour
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
