-- Lays aside every event whose key several rows of the load have: which of them counts is found out closely.
-- from: load_plain, load_repeated, load_aside
insert into load_aside
select row
from load_plain
where
    key_hash in (select key_hash from load_repeated)
    and not exists (select 1 from load_aside where load_aside.row = load_plain.row);
