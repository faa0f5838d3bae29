-- Not all that is written to the SFA stands there as it was given.
alter table sfa_leads add column read_only varchar[];
alter table sfa_leads add column meant map(varchar, varchar);
comment on column sfa_leads.read_only is 'Fields that stand elsewhere than at the record, and cannot be written to it.';
comment on column sfa_leads.meant is
'By field: what was given where the SFA holds less of it, as long as both sides agree on that.';
