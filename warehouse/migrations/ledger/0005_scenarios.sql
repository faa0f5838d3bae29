-- Where each lead stands in scenarios with waits and branches.
create table scenario_runs (
    lead_id varchar not null,
    scenario varchar not null,
    occurrence integer not null,
    trigger_event_id varchar not null,
    entered_at timestamptz not null,
    enrolled_at timestamptz not null,
    node varchar,
    reached_at timestamptz not null,
    waits_until timestamptz,
    state varchar not null check (state in ('active', 'ended')),
    end_reason varchar,
    ended_at timestamptz,
    rule_set_version varchar not null,
    primary key (lead_id, scenario, occurrence)
);
comment on table scenario_runs is 'One run of a lead through a scenario of waits and branches.';
comment on column scenario_runs.node is
'Where it stands: a mail, a wait or a branch; NULL before the first, and at the end.';
comment on column scenario_runs.reached_at is 'Since when it stands there: the next wait counts from it.';
comment on column scenario_runs.end_reason is
'finished, goal, deal, hot, consent, segment, merged, or step_removed where the rules no longer have its place.';

create table scenario_run_moves (
    lead_id varchar not null,
    scenario varchar not null,
    occurrence integer not null,
    node varchar,
    reached_at timestamptz not null,
    moved_at timestamptz not null
);
comment on table scenario_run_moves is 'Each place a run has come to, the latest included.';

alter table enrolments add column entered_at timestamptz;
comment on column enrolments.entered_at is 'Since when what ends a run early counts; NULL: since triggered_at.';

create table ab_tests (
    test varchar primary key,
    scenario varchar not null,
    step varchar not null,
    started_at timestamptz not null,
    sample_share double,
    full_at timestamptz,
    ended_at timestamptz,
    winner varchar
);
comment on table ab_tests is 'One A/B test: when it ran, and which variant the others get.';
comment on column ab_tests.sample_share is 'The share of a newsletter''s readers that is the sample; NULL: all are.';
comment on column ab_tests.full_at is 'When the sample was as large as declared.';
comment on column ab_tests.winner is 'NULL after ended_at: no variant won, and the first goes on.';

create table variant_assignments (
    lead_id varchar not null,
    test varchar not null,
    variant varchar not null,
    is_sample boolean not null,
    assigned_at timestamptz not null,
    primary key (lead_id, test)
);
comment on table variant_assignments is 'Which variant a lead gets; told once.';
comment on column variant_assignments.is_sample is 'Of the sample that is compared; the others get what won.';

create table newsletter_issues (
    newsletter varchar not null,
    issue varchar not null,
    occurrence integer not null,
    due_at timestamptz not null,
    primary key (newsletter, issue, occurrence)
);
comment on table newsletter_issues is 'One issue of a newsletter that went, or would have: when it was due.';
