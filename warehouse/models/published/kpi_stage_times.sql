-- One row per local month and move between purchase stages: how many moves, and how long the stage before lasted.
-- key: month, from_stage, to_stage
-- from: lead_stage_changes
-- The month is that of the move, so a stay that is not over yet is in no row: the times of a young company look short.
-- A lead that falls back and comes again has moved twice.
with moves as (
    select
        from_stage,
        to_stage,
        changed_at,
        epoch(changed_at - lag(changed_at) over (partition by lead_id order by changed_at)) / 86400 as days,
    from lead_stage_changes
)

select
    date_trunc('month', changed_at at time zone $timezone)::date as month,
    from_stage,
    to_stage,
    count(*) as leads,
    median(days) as median_days,
    quantile_cont(days, 0.9) as p90_days,
from moves
where from_stage is not null
group by all
order by all
