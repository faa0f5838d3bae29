-- Whose turn it was to be told of what is no handoff, and why a handoff went to another rep.
alter table notices add column route varchar;
alter table notices add column turn double;
comment on column notices.route is 'Of what is no handoff: the rule of routes that fits; NULL where none does.';
comment on column notices.turn is 'Of what is no handoff: where it stands in its owner''s share of these.';

alter table handoff_changes add column assigned_because varchar;
comment on column handoff_changes.assigned_because is
'Of a new owner that the engine found: route, turn, cover or over_capacity.';
comment on column handoffs.assigned_because is
'Why its first owner got it: same_owner, route, turn, cover or over_capacity.';
