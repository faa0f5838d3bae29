-- One row per stretch of time in which a changed visitor's cookie belonged to one lead before this run.
-- key: visitor, valid_from
-- from: visitor_bindings, changed_visitors, renamed_leads
select
    visitor_bindings.visitor,
    coalesce(renamed_leads.lead_id, visitor_bindings.lead_id) as lead_id,
    visitor_bindings.valid_from,
    visitor_bindings.valid_to,
from visitor_bindings
semi join changed_visitors using (visitor)
left join renamed_leads on visitor_bindings.lead_id = renamed_leads.old_lead_id
