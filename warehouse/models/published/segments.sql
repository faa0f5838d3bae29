-- One row per segment of the rule set.
-- key: segment
-- from: rule_segments
select segment, label, position
from warehouse.rule_segments
