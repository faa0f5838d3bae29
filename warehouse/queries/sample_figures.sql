-- One row per A/B test that is not over and variant: how many mails of the sample left, and what they led to.
-- key: test, variant
-- from: ab_tests, sends, variant_assignments, lead_aliases, send_outcomes, rule_variants, lead_behaviours, rule_set
-- A lead that two became who had different variants leaves the figures.
with arms as (
    select
        ab_tests.test,
        aliases.lead_id,
        min(assigned.variant) as variant,
    from ab_tests
    inner join variant_assignments as assigned on ab_tests.test = assigned.test
    inner join warehouse.lead_aliases as aliases on assigned.lead_id = aliases.alias_lead_id
    where ab_tests.ended_at is null
    group by ab_tests.test, aliases.lead_id
    having count(distinct assigned.variant) = 1 and bool_and(assigned.is_sample)
),

mails as (
    select
        arms.test,
        arms.variant,
        arms.lead_id,
        sends.send_id,
        sends.sent_at,
        outcomes.delivered_at,
        -- a click proves an open that no picture told of
        least(outcomes.opened_at, outcomes.clicked_at) as opened_at,
        outcomes.clicked_at,
        rule_variants.cta_behaviour,
    from arms
    inner join ab_tests on arms.test = ab_tests.test
    inner join warehouse.lead_aliases as names on arms.lead_id = names.lead_id
    inner join sends
        on
            names.alias_lead_id = sends.lead_id
            and ab_tests.scenario = sends.scenario
            and ab_tests.step = sends.step
            and arms.variant = sends.variant
            and sends.sent_at >= ab_tests.started_at
    left join warehouse.send_outcomes as outcomes on sends.send_id = outcomes.send_id
    left join warehouse.rule_variants on arms.test = rule_variants.test and arms.variant = rule_variants.variant
)

select
    mails.test,
    mails.variant,
    count(*) as sent,
    count(mails.delivered_at) as delivered,
    count(mails.opened_at) filter (mails.delivered_at is not null) as opened,
    count(mails.clicked_at) filter (mails.delivered_at is not null) as clicked,
    count(*) filter (
        exists (
            select 1
            from warehouse.lead_behaviours, warehouse.rule_set
            where
                lead_behaviours.lead_id = mails.lead_id
                and lead_behaviours.behaviour = mails.cta_behaviour
                and not lead_behaviours.is_machine
                and lead_behaviours.occurred_at >= mails.delivered_at
                and lead_behaviours.occurred_at < mails.delivered_at + rule_set.conversion_window
        )
    ) as converted,
    min(mails.sent_at) as begun_at,
from mails
group by mails.test, mails.variant
