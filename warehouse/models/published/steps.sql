-- One row per step of a scenario, as the rule set has it now.
-- key: scenario, step
-- from: rule_steps, rule_variants
select
    scenario,
    scenario_label,
    step,
    label,
    kind,
    segment,
    stage,
    delay,
    category,
    cta_label,
    -- a variant may ask for something where the mail does not
    cta_behaviour is not null or (scenario, step) in (
        select (rule_variants.scenario, rule_variants.step)
        from warehouse.rule_variants
        where rule_variants.cta_behaviour is not null
    ) as has_cta,
from warehouse.rule_steps
