-- One row per visitor whose cookie belonged to several people, one after the other.
-- key: visitor
-- from: visitor_bindings
select visitor
from visitor_bindings
group by visitor
having count(*) > 1
