-- One row per local month and move between purchase stages: how many moves, and how long the stage before lasted.
-- key: month, from_stage, to_stage
-- from: stage_moves
-- The month is that of the move, so a stay that is not over yet is in no row: the times of a young company look short.
-- A lead that falls back and comes again has moved twice.
select
    month,
    from_stage,
    to_stage,
    count(*) as leads,
    median(days) as median_days,
    quantile_cont(days, 0.9) as p90_days,
from stage_moves
group by month, from_stage, to_stage
order by month, from_stage, to_stage
