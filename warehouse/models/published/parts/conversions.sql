-- One row per mail that acts are credited to: the first of them.
-- key: send_id
-- from: creditable_mails, asked_acts, rule_steps, rule_variants, rule_set
-- An act that a mail asked for credits the last delivered mail that asked for it, within the window.
with credits as (
    select
        mails.send_id,
        asked_acts.occurred_at,
    from creditable_mails as mails
    inner join warehouse.rule_steps using (scenario, step)
    left join warehouse.rule_variants using (scenario, step, variant)
    inner join asked_acts
        on
            mails.current_lead_id = asked_acts.lead_id
            and coalesce(rule_variants.cta_behaviour, rule_steps.cta_behaviour) = asked_acts.behaviour
    cross join warehouse.rule_set
    where
        mails.delivered_at <= asked_acts.occurred_at
        and mails.delivered_at > asked_acts.occurred_at - rule_set.conversion_window
    qualify
        row_number() over (
            partition by asked_acts.event_id, asked_acts.behaviour
            order by mails.delivered_at desc, mails.send_id
        ) = 1
)

select send_id, min(occurred_at) as converted_at
from credits
group by send_id
