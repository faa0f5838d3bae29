-- One row per visitor whose cookie belonged to several people, one after the other, or to nobody at first.
-- key: visitor
-- from: visitor_bindings
select visitor
from visitor_bindings
group by visitor
having count(*) > 1 or min(valid_from) > timestamptz '-infinity'
