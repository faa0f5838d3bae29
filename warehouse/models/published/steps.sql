-- One row per step of a scenario, as the rule set has it now.
-- key: scenario, step
-- from: rule_steps
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
    cta_behaviour is not null as has_cta,
from warehouse.rule_steps
