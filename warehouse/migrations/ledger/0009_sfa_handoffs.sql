-- What the SFA holds of a handoff: what sales changes there is told from a write of ours that comes back.
create table sfa_handoffs (
    handoff_id varchar primary key,
    agreed map(varchar, varchar),
    given map(varchar, varchar),
    stamp timestamptz,
    refused varchar,
    refused_because varchar,
    refused_at timestamptz
);
comment on table sfa_handoffs is 'One handoff as the SFA has it, and what became of the last write of it.';
comment on column sfa_handoffs.agreed is
'By field: what stood there when it was last read or written; NULL where it never was.';
comment on column sfa_handoffs.given is
'By field: what a write that was begun and not answered yet was to leave there.';
comment on column sfa_handoffs.stamp is
'The SFA''s own stamp of it when it was last read, or the one we wrote; a change with no later one was left unstamped.';
comment on column sfa_handoffs.refused is 'A hash of the write that was refused: the same is not tried again at once.';
comment on column sfa_handoffs.refused_because is 'Why, in the SFA''s words.';
comment on column sfa_handoffs.refused_at is 'The as_of of the run that was told so.';
