-- What a test measures and looks for stands beside it, so that its figures can be told when the rules know it no more.
alter table ab_tests add column label varchar;
alter table ab_tests add column metric varchar;
alter table ab_tests add column smallest_effect double;
comment on column ab_tests.metric is 'opened, clicked or converted; NULL of a test that ended before this was noted.';
comment on column ab_tests.smallest_effect is 'The smallest difference of two rates that is worth knowing.';
