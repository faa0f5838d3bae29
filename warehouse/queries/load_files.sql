-- Notes the state in which each file was read, and what came of its rows.
-- from: load_files_read
insert into files_read by name
select
    $source as source,
    path,
    fingerprint,
    rows_loaded,
    rows_quarantined,
    $as_of as read_at,
from load_files_read
on conflict (source, path) do update set
    fingerprint = excluded.fingerprint,
    rows_loaded = excluded.rows_loaded,
    rows_quarantined = excluded.rows_quarantined,
    read_at = excluded.read_at
