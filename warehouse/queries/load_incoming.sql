-- One row per row as it was read, numbered in that order.
-- key: row_number
-- from: incoming
create or replace temp table load_incoming as
select
    *,
    row_number() over () as row_number,
from incoming
