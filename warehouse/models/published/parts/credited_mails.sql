-- One row per mail of the leads whose deals are given to mails anew.
-- key: send_id
-- from: credited_deals, leads_in_full, buying_leads, places_in_full, new_mails, sends
with sought as materialized (
    select credited_deals.lead_id
    from credited_deals
    anti join leads_in_full on credited_deals.lead_id = leads_in_full.lead_id
    anti join buying_leads on credited_deals.lead_id = buying_leads.lead_id
)

select send_id, current_lead_id, scenario, step, variant, delivered_at
from fresh.main.sends
where
    rowid in (
        select places_in_full.position
        from places_in_full
        where places_in_full.current_lead_id in (select credited_deals.lead_id from credited_deals)
    )
union all
select send_id, current_lead_id, scenario, step, variant, delivered_at
from new_mails
where
    current_lead_id in (select credited_deals.lead_id from credited_deals)
    and current_lead_id not in (select sought.lead_id from sought)
union all
select send_id, current_lead_id, scenario, step, variant, delivered_at
from fresh.main.sends
where current_lead_id in (select sought.lead_id from sought)
