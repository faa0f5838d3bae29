-- What an experiment was to be is kept beside what was told to whom: its figures stay when its rules are gone.
create table ab_variants (
    test varchar not null,
    variant varchar not null,
    place integer not null,
    share double not null,
    cta_behaviour varchar,
    primary key (test, variant)
);
comment on table ab_variants is 'One variant of an A/B test, as the rules had it up to the test''s end.';
comment on column ab_variants.place is 'Its place in the rules; the others are compared with the first.';
comment on column ab_variants.share is 'The part of the leads that was to get it.';
comment on column ab_variants.cta_behaviour is 'What its mail asks for; NULL: nothing.';

alter table holdout add column share double;
comment on column holdout.share is 'The part of the leads that was held out when the lot was drawn; NULL: not kept.';
