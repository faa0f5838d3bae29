-- One row per act of a lead from the instant on from which its acts may be credited to other mails than before.
-- key: event_id, behaviour
-- from: lead_behaviours, credited_leads, leads_in_full
-- Leads all of whose mails are looked at stand by themselves: for the others, what happened long ago is passed over.
with recent as (
    select credited_leads.*
    from credited_leads
    anti join leads_in_full on credited_leads.lead_id = leads_in_full.lead_id
),

in_full as (
    select credited_leads.*
    from credited_leads
    semi join leads_in_full on credited_leads.lead_id = leads_in_full.lead_id
)

select acts.*
from warehouse.lead_behaviours as acts
inner join recent on acts.lead_id = recent.lead_id
where acts.occurred_at >= recent.earliest_at
union all
select acts.*
from warehouse.lead_behaviours as acts
inner join in_full on acts.lead_id = in_full.lead_id
where acts.occurred_at >= in_full.earliest_at
