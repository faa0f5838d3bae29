-- One row per local month and move between purchase stages of which a move differs from those published before.
-- key: month, from_stage, to_stage
-- from: old_stage_moves, new_stage_moves
select distinct month, from_stage, to_stage
from (
    (select * from old_stage_moves except select * from new_stage_moves)
    union all
    (select * from new_stage_moves except select * from old_stage_moves)
)
