-- One row per event of a lead in scope and behaviour that it is: those that stay where they were, and those placed now.
-- key: event_id, behaviour
-- from: lead_behaviours, scope_leads, scope_replaced, renamed_leads, losing_leads, replaced_events, placed_behaviours
with kept as (
    select
        coalesce(renamed_leads.lead_id, lead_behaviours.lead_id) as lead_id,
        lead_behaviours.* exclude (lead_id, is_counted),
    from lead_behaviours
    left join renamed_leads on lead_behaviours.lead_id = renamed_leads.old_lead_id
    where
        lead_behaviours.lead_id in (select lead_id from scope_replaced)
        and lead_behaviours.event_id not in (select event_id from replaced_events)
)

select * from kept
where
    lead_id in (select lead_id from scope_leads)
    and lead_id not in (select lead_id from losing_leads)
union all
select * from placed_behaviours
where lead_id in (select lead_id from scope_leads)
