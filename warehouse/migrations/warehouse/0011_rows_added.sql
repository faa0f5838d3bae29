-- What a recompute puts into a table stands at its end, so what several changed is looked for there alone.
alter table recomputes add column rows_added map(varchar, bigint);
comment on column recomputes.rows_added is
'How many rows it put into the tables that derived_changes tells of; NULL where an earlier version ran.';
