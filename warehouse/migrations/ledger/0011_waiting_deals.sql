-- Deals of people who are no leads here yet: each is read once, and must still be there when its person becomes one.
create table sfa_waiting_deals (
    deal_id varchar primary key,
    sfa_id varchar not null,
    status varchar not null,
    amount varchar,
    changed_at timestamptz not null
);
comment on table sfa_waiting_deals is
'One deal that the SFA told of a record that is no lead''s here, as it was told last; it is a fact once it is one.';
comment on column sfa_waiting_deals.sfa_id is 'The record of the person it belongs to.';
