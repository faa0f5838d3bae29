-- One row per stay of a lead in a segment.
-- key: segment, lead_id, entered_at
-- from: segment_members
select segment, lead_id, entered_at, left_at
from warehouse.segment_members
