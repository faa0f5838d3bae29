-- Scenarios with waits and branches, and what ends a run through one early.
alter table rule_steps add column re_entry_us bigint;
alter table rule_steps add column asks_segment boolean;
alter table rule_steps add column scenario_label varchar;

-- step: NULL for what ends a whole run
create table rule_exits (scenario varchar, step varchar, kind varchar, behaviour smallint, tier varchar);
create table rule_scenarios (
    scenario varchar,
    label varchar,
    segment varchar,
    behaviour smallint,
    entry_count integer,
    with_members boolean,
    re_entry_us bigint,
    first_node varchar,
    is_enabled boolean
);
create table rule_nodes (
    scenario varchar,
    node varchar,
    kind varchar,
    next_node varchar,
    delay_us bigint,
    business_days integer,
    weekday integer,
    at_us bigint
);
create table rule_arms (
    scenario varchar,
    node varchar,
    position integer,
    segment varchar,
    behaviour smallint,
    at_least integer,
    next_node varchar
);
-- The versions of tested mails, each with its part of 0 to 1.
create table rule_variants (
    test varchar,
    scenario varchar,
    step varchar,
    variant varchar,
    low double,
    high double,
    send_window varchar,
    cta_behaviour smallint
);
delete from rule_set;
