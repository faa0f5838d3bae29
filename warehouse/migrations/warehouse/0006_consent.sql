-- Consent and suppression by kind of mail (newsletter, step, trigger), and what is kept of whoever was erased.
-- A check cannot be changed, so the table is made anew, in the order of its rows.
alter table suppression_records rename to old_suppression_records;
create table suppression_records (
    record_id varchar not null,
    source varchar not null,
    external_id varchar,
    email varchar,
    blocks varchar not null check (blocks in ('newsletter', 'step', 'trigger', 'marketing', 'all')),
    reason varchar not null,
    occurred_at timestamptz not null,
    received_at timestamptz not null,
    email_hash varchar
);
insert into suppression_records by name
select * from old_suppression_records order by rowid;
drop table old_suppression_records;
comment on table suppression_records is
'One reason not to mail an address: a kind of marketing mail, all of these (marketing), or all mail.';
comment on column suppression_records.email_hash is
'Of whoever was erased: a keyed hash in place of the address, which cannot be read back.';

alter table consent_records add column email_hash varchar;
comment on column consent_records.email_hash is
'Of whoever was erased: a keyed hash in place of the address. It proves past mails lawful and grants none.';
comment on column consent_records.mail_kind is 'newsletter, step, trigger, or marketing for all three.';

create table rule_unsubscribe_groups (group_id varchar, kind varchar);
create table rule_block_domains (domain varchar);

-- what stands in derived tables has another shape: acts wait for the next recompute
delete from rule_set;
