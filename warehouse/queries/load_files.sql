-- Notes the state in which each file was read, and what came of its rows.
-- from: load_stage, load_files_read
insert into files_read by name
with counted as (
    select
        file,
        count(*) filter (where fault is null) as rows_loaded,
        count(*) filter (where fault is not null) as rows_quarantined,
    from load_stage
    where file is not null
    group by file
)

select
    $source as source,
    load_files_read.path,
    load_files_read.fingerprint,
    coalesce(counted.rows_loaded, 0) as rows_loaded,
    coalesce(counted.rows_quarantined, 0) as rows_quarantined,
    $as_of as read_at,
from load_files_read
left join counted on load_files_read.path = counted.file
on conflict (source, path) do update set
    fingerprint = excluded.fingerprint,
    rows_loaded = excluded.rows_loaded,
    rows_quarantined = excluded.rows_quarantined,
    read_at = excluded.read_at
