-- What sales does with a handoff is told of the lead, and is no act of the lead's own.
insert into passive_event_types values ('sales_follow_up');
alter table rule_sales_actions add column is_request boolean;
create table rule_talking_points (position integer, behaviour smallint, say varchar);
