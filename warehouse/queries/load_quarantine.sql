-- Keeps what could not be loaded, once, for a person to mend in the source.
-- from: load_faults, quarantine
insert into quarantine by name
select
    quarantine_id,
    $source as source,
    file,
    line,
    column_name,
    value,
    reason,
    $as_of as received_at,
from load_faults
where not exists (select 1 from quarantine where quarantine.quarantine_id = load_faults.quarantine_id)
qualify row_number() over (partition by quarantine_id order by row_number) = 1
