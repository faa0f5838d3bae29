-- One row per file: how many rows it has, and how many of them are faulty.
-- key: file
-- from: load_read, load_stage
with faulty as (
    select file, count(*) as faults
    from load_stage
    where fault is not null
    group by file
),

counted as (
    select file, count(*) as total
    from load_read
    where file is not null
    group by file
)

select
    counted.file,
    counted.total,
    coalesce(faulty.faults, 0) as faults,
from counted
left join faulty on counted.file = faulty.file
