-- One row per act of a lead from the instant on from which its acts may be credited to other mails than before.
-- key: event_id, behaviour
-- from: lead_behaviours, credited_leads, leads_in_full
-- Those of whom all is looked at by themselves: for the others, what happened long ago is passed over.
select acts.*
from warehouse.lead_behaviours as acts
inner join (select * from credited_leads anti join leads_in_full on credited_leads.lead_id = leads_in_full.lead_id) as leads
    on acts.lead_id = leads.lead_id
where acts.occurred_at >= leads.earliest_at
union all
select acts.*
from warehouse.lead_behaviours as acts
inner join (select * from credited_leads semi join leads_in_full on credited_leads.lead_id = leads_in_full.lead_id) as leads
    on acts.lead_id = leads.lead_id
where acts.occurred_at >= leads.earliest_at
