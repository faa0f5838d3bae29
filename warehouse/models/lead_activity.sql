-- One row per lead that did anything, or had a mail: its first event, its source, and the last that was an act of its
-- own.
-- key: lead_id
-- from: lead_activity, placed_activity, replaced_active, renamed_leads, losing_leads, scope_leads
with known as (
    select
        coalesce(renamed_leads.lead_id, activity.lead_id) as lead_id,
        activity.first_at,
        activity.first_source,
        activity.last_action_at,
    from lead_activity as activity
    left join renamed_leads on activity.lead_id = renamed_leads.old_lead_id
    where activity.lead_id in (select lead_id from replaced_active)
)

select
    lead_id,
    min(first_at) as first_at,
    arg_min(first_source, (first_at, first_source)) as first_source,
    max(last_action_at) as last_action_at,
from (
    select * from known where lead_id not in (select lead_id from losing_leads)
    union all
    select lead_id, first_at, first_source, last_action_at from placed_activity
)
where lead_id in (select lead_id from scope_leads)
group by lead_id
