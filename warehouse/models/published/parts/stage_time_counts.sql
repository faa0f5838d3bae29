-- One row per local month, move between purchase stages and number of days that the stage before lasted, of the leads
-- looked at: how many moves.
-- key: month, from_stage, to_stage, days
-- from: lead_stage_changes
with stays as (
    select
        changed_at,
        from_stage,
        to_stage,
        lag(changed_at) over (partition by lead_id order by changed_at) as entered_at,
    from lead_stage_changes
)

select
    date_trunc('month', changed_at at time zone $timezone)::date as month,
    from_stage,
    to_stage,
    ((epoch_us(changed_at) - epoch_us(entered_at)) // 86400000000)::integer as days,
    count(*) as moves,
from stays
where from_stage is not null
group by all
