-- One row per move of a lead between purchase stages, of the leads looked at: its local month, and the days before it.
-- key: lead_id, changed_at
-- from: lead_stage_changes
with stays as (
    select
        lead_id,
        changed_at,
        from_stage,
        to_stage,
        lag(changed_at) over (partition by lead_id order by changed_at) as entered_at,
    from lead_stage_changes
)

select
    lead_id,
    changed_at,
    date_trunc('month', changed_at at time zone $timezone)::date as month,
    from_stage,
    to_stage,
    (epoch_us(changed_at) - epoch_us(entered_at)) / 86400e6 as days,
from stays
where from_stage is not null
