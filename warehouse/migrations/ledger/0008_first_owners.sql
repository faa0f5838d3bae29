-- Who had a handoff first: its limit was that rep's, whoever has it later.
alter table handoffs add column first_owner varchar;
update handoffs set first_owner = owner;
comment on column handoffs.first_owner is 'The rep it went to first.';
