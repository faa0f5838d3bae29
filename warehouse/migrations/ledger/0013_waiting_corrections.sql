-- What sales wrote and cannot stand here is neither taken nor written over: each side keeps its own.
alter table sfa_leads add column waiting map(varchar, varchar);
alter table sfa_outbox add column waiting map(varchar, varchar);
comment on column sfa_leads.waiting is
'By field: what stands there and cannot stand here; it is told once, and stays until either side is changed.';

create table sfa_conflicts_of_all (
    conflict_id varchar primary key,
    sfa_id varchar not null,
    lead_id varchar not null,
    field varchar not null,
    ours varchar,
    theirs varchar,
    agreed varchar,
    ours_changed_at timestamptz,
    theirs_changed_at timestamptz,
    rule varchar not null,
    winner varchar not null check (winner in ('ma', 'sfa', 'none')),
    found_at timestamptz not null
);
insert into sfa_conflicts_of_all by name from sfa_conflicts;
drop table sfa_conflicts;
alter table sfa_conflicts_of_all rename to sfa_conflicts;
comment on table sfa_conflicts is
'One field that both sides changed between two runs, or that cannot stand here as it does there: both values.';
comment on column sfa_conflicts.rule is
'ma, sfa or newer: what the rules say of the field; ours for what only the engine writes.';
comment on column sfa_conflicts.winner is 'ma or sfa; none where each side keeps its own.';
