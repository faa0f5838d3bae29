-- One row per tier of the rule set.
-- key: tier
-- from: rule_tiers
select tier, label, minimum_score
from warehouse.rule_tiers
