-- One row per visitor who may belong to another lead than before.
-- key: visitor
-- from: new_visitor_ties, visitor_ties, changed_identities
select visitor from new_visitor_ties
union
select visitor from visitor_ties where email in (select value from changed_identities where kind = 'email')
union
select visitor
from visitor_ties
where external_id in (select value from changed_identities where kind = 'external_id')
