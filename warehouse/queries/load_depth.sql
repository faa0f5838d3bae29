-- How many blocks of rows, on average, hold events of any one moment: 1 where the source is in order of time.
-- from: load_plain
with blocks as (
    select
        epoch_us(min(occurred_at)) as first_us,
        epoch_us(max(occurred_at)) as last_us,
    from load_plain
    where load_is_stamp(occurred_at)
    group by row >> 17
)

select sum(last_us - first_us + 1) / (max(last_us) - min(first_us) + 1) as depth
from blocks
