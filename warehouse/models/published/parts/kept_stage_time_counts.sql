-- One row per local month, move between purchase stages and number of days of those published before: how many moves.
-- key: month, from_stage, to_stage, days
-- from: kpi_move_times
select month, from_stage, to_stage, days, moves
from kpi_move_times
