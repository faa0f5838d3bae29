-- One row per purchase stage of the rule set, in order.
-- key: stage
-- from: rule_stages
select stage, label, position
from warehouse.rule_stages
