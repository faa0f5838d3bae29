-- The rule set as tables, so that models join points and thresholds instead of holding them. Rewritten whenever the
-- rule set's version changes; see warehouse/rule_tables.py.

create table rule_set (
    rule_set_version varchar not null,
    page_view_window interval not null,
    conversion_window interval not null
);
create table rule_page_groups (position integer, page_group varchar, pattern varchar);
create table rule_asset_groups (position integer, asset_group varchar, pattern varchar);
create table rule_title_levels (position integer, title_level varchar, match varchar, word varchar);
create table rule_scoring (
    rule varchar, label varchar, event_type varchar, page_group varchar, asset_group varchar, points integer,
    once_per varchar
);
create table rule_tiers (tier varchar, label varchar, minimum_score integer);
create table rule_stages (stage varchar, label varchar, position integer);
create table rule_stage_entries (
    stage varchar, position integer, event_type varchar, page_group varchar, asset_group varchar
);
create table rule_segments (segment varchar, label varchar, position integer);
create table rule_steps (
    scenario varchar,
    step varchar,
    label varchar,
    kind varchar,
    priority integer,
    segment varchar,
    stage varchar,
    stage_position integer,
    event_type varchar,
    page_group varchar,
    asset_group varchar,
    trigger_count integer,
    delay interval,
    category varchar,
    cta_label varchar,
    cta_event_type varchar,
    cta_page_group varchar,
    cta_asset_group varchar,
    is_enabled boolean
);
create table rule_sales_actions (
    action varchar,
    kind varchar,
    label varchar,
    event_type varchar,
    page_group varchar,
    asset_group varchar,
    on_count integer,
    segment varchar,
    stage varchar
);
