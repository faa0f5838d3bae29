-- One row per local month and move between purchase stages: how many moves, and how long the stage before lasted.
-- key: month, from_stage, to_stage
-- from: stage_time_counts
-- The month is that of the move, so a stay that is not over yet is in no row: the times of a young company look short.
-- A lead that falls back and comes again has moved twice. Half of the moves, or nine in ten, were made within so many
-- whole days.
with added_up as (
    select
        month,
        from_stage,
        to_stage,
        days,
        moves,
        sum(moves) over (partition by month, from_stage, to_stage order by days) as moves_by_then,
        sum(moves) over (partition by month, from_stage, to_stage) as all_moves,
    from stage_time_counts
)

select
    month,
    from_stage,
    to_stage,
    sum(moves)::bigint as leads,
    min(days) filter (moves_by_then * 2 >= all_moves) as median_days,
    min(days) filter (moves_by_then * 10 >= all_moves * 9) as p90_days,
from added_up
group by month, from_stage, to_stage
order by month, from_stage, to_stage
