-- One row per local month, move between purchase stages and days that the stage before lasted: how many moves.
-- key: month, from_stage, to_stage, days
-- from: stage_time_counts
-- The days are whole ones of 24 hours. Counted so, a day's changes can be added, and whoever wants another share than
-- those of kpi_stage_times finds it here.
select month, from_stage, to_stage, days, moves::bigint as moves
from stage_time_counts
order by month, from_stage, to_stage, days
