-- One row per visitor whose events belong to others than before.
-- key: visitor
-- from: fresh_visitor_bindings, old_visitor_bindings
select visitor from (
    (select visitor, lead_id, valid_from, valid_to from fresh_visitor_bindings)
    except
    (select visitor, lead_id, valid_from, valid_to from old_visitor_bindings)
)
union
select visitor from (
    (select visitor, lead_id, valid_from, valid_to from old_visitor_bindings)
    except
    (select visitor, lead_id, valid_from, valid_to from fresh_visitor_bindings)
)
