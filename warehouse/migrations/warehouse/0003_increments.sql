-- Derived tables that are kept from run to run: what has been seen of the facts, and the rule set in the form in which
-- models join it. Event ids become 16 bytes: a hundred million of them are compared, sorted and stored.

alter table events alter event_id set data type uuid using event_id::uuid;

create table send_records (
    send_id varchar not null,
    email varchar not null,
    scenario varchar not null,
    step varchar not null,
    variant varchar not null,
    occurrence integer not null,
    occurred_at timestamptz not null,
    received_at timestamptz not null
);
comment on table send_records is 'One mail that left, as the ledger has it; each also stands in events as mail_sent.';

create table source_definitions (source varchar primary key, definition varchar not null);
comment on table source_definitions is
'How a source of leads was defined when it was read last; one that is defined otherwise is read again from its start.';

-- Whoever removes facts has to empty this, so that everything is derived anew.
create table derivation (
    rule_set_version varchar not null,
    people_version varchar not null,
    as_of timestamptz not null,
    events bigint not null,
    lead_records bigint not null,
    deal_records bigint not null,
    consent_records bigint not null,
    suppression_records bigint not null,
    send_records bigint not null
);
comment on table derivation is 'What the derived tables were made of, down to how many rows of each table of facts.';

create table passive_event_types (event_type varchar);
comment on table passive_event_types is 'Events that happen to a lead or a mail and are no act of the lead.';
insert into passive_event_types values
('mail_sent'), ('mail_processed'), ('mail_delivered'), ('mail_bounce'), ('mail_dropped'), ('mail_deferred'),
('deal_created'), ('deal_won'), ('deal_lost');

delete from rule_set;
drop table rule_scoring;
drop table rule_stage_entries;
drop table rule_steps;
drop table rule_sales_actions;

-- Spans of time that models add to instants are microseconds: numbers are added a hundred times faster than intervals
-- of a calendar.
alter table rule_set rename column page_view_window to page_view_window_us;
alter table rule_set alter page_view_window_us set data type bigint using 0;

-- A behaviour is an event as a rule means it; rules refer to behaviours by number.
create table rule_behaviours (
    behaviour smallint,
    event_type varchar,
    page_group varchar,
    asset_group varchar,
    asset varchar,
    scenario varchar,
    step varchar,
    tests struct(
        property varchar, one_of varchar[], contains varchar, at_least double, at_most double, is_known boolean
    )[]
);
-- the groups an event of a type may be in to be a behaviour, written out so that they are compared by equality
create table rule_behaviour_kinds (behaviour smallint, event_type varchar, page_group varchar, asset_group varchar);

create table rule_scoring (
    rule varchar,
    label varchar,
    position integer,
    behaviour smallint,
    condition varchar,
    points integer,
    once_per varchar,
    cap_times integer,
    cap_points integer,
    cap_window_us bigint,
    scoring_group varchar,
    expires_after_us bigint,
    half_life_days double
);
create table rule_scoring_groups (
    scoring_group varchar, label varchar, cap_times integer, cap_points integer, cap_window_us bigint
);
-- what is left of an award so many local midnights after it
create table rule_decay_steps (rule varchar, points integer, day integer, points_left integer, change integer);
create table rule_score_limits (minimum_score integer, maximum_score integer);
-- every way in which an award moves a score
create table rule_score_causes (cause smallint, rule varchar, what varchar);

create table rule_stage_entries (
    entry smallint, stage varchar, position integer, behaviour smallint, condition varchar, cause varchar
);
create table rule_fall_backs (
    fall_back varchar, label varchar, position integer, leaving integer[], behaviour smallint, condition varchar
);

-- What rules ask of a lead, one table a kind of question; a question is asked once, however many rules ask it.
create table rule_event_questions (
    question smallint, behaviour smallint, which varchar, at_least integer, lookback_us bigint, before_us bigint
);
create table rule_sequence_questions (
    question smallint, position integer, behaviour smallint, lookback_us bigint, ended_within_us bigint, is_last boolean
);
create table rule_field_questions (
    question smallint, field varchar, kind varchar, one_of varchar[], part varchar, low double, high double,
    is_known boolean
);
create table rule_deal_questions (question smallint, status varchar, lookback_us bigint, amount decimal(18, 2));
create table rule_score_questions (question smallint, low integer, high integer);
create table rule_tier_questions (question smallint, tier varchar);
create table rule_stage_questions (question smallint, stage varchar);
-- asked: the question put to each of a company's leads, whose yes are counted; low and high bound the count or the sum
create table rule_account_questions (
    question smallint, kind varchar, asked smallint, behaviour smallint, lookback_us bigint, low integer, high integer
);

create table rule_accounts (name_field varchar, number_field varchar, legal_forms varchar);
create table rule_shared_domains (domain varchar);

create table rule_steps (
    scenario varchar,
    step varchar,
    label varchar,
    kind varchar,
    priority integer,
    segment varchar,
    stage varchar,
    stage_position integer,
    behaviour smallint,
    trigger_count integer,
    delay interval,
    category varchar,
    cta_label varchar,
    cta_behaviour smallint,
    is_enabled boolean
);
create table rule_sales_actions (
    action varchar,
    kind varchar,
    label varchar,
    behaviour smallint,
    on_count integer,
    segment varchar,
    stage varchar,
    once_per_account boolean
);
