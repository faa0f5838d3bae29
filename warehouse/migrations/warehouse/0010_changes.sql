-- What recomputes changed, so that a publication is brought up to date at the cost of that.
create table recomputes (
    number bigint not null,
    recompute_id varchar not null,
    as_of timestamptz not null,
    is_full boolean not null
);
comment on table recomputes is
'Each recompute that changed anything; derived_changes says what, of those that did not derive all anew.';
create table derived_changes (
    table_name varchar not null,
    id varchar not null,
    number bigint not null,
    earliest_at timestamptz
);
comment on table derived_changes is 'The last recompute that changed rows of a derived table, by the lead or the send.';
comment on column derived_changes.earliest_at is
'The earliest instant of the rows that were changed; NULL where it is not told.';
