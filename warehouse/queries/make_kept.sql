-- Makes the derived tables that a run reads before it writes them, empty, where they are not there yet. The others take
-- the shape of their models.
create table if not exists identity_facts (
    email varchar, external_id varchar, first_seen_at timestamptz, known_since timestamptz
);
create table if not exists lead_identities (
    identity varchar,
    kind varchar,
    value varchar,
    first_seen_at timestamptz,
    known_since timestamptz,
    alias_lead_id varchar,
    lead_id varchar
);
create table if not exists known_agents (agent varchar, is_machine boolean);
create table if not exists scanner_clicks (event_id uuid, send_id varchar);
create table if not exists bare_mails (
    event_id uuid, event_type varchar, occurred_at timestamptz, email varchar, smtp_id varchar, message_id varchar
);
create table if not exists link_visits (event_id uuid, visitor varchar, send_id varchar, occurred_at timestamptz);
create table if not exists visitor_ties (
    visitor varchar, email varchar, external_id varchar, occurred_at timestamptz
);
create table if not exists visitor_bindings (
    visitor varchar, lead_id varchar, valid_from timestamptz, valid_to timestamptz
);
create table if not exists send_addresses (send_id varchar, email varchar);
create table if not exists unknown_addressees (identity varchar);
create table if not exists mail_blocks (
    event_id uuid,
    event_type varchar,
    reason varchar,
    mail_kind varchar,
    group_id varchar,
    email varchar,
    external_id varchar,
    send_id varchar,
    occurred_at timestamptz,
    received_at timestamptz
);
create table if not exists last_deliveries (delivered_to varchar, delivered_at timestamptz);
create table if not exists lead_suppressions (
    lead_id varchar, blocks varchar, reason varchar, since_at timestamptz, until_at timestamptz
);
create table if not exists send_outcomes (
    send_id varchar,
    processed_at timestamptz,
    delivery_told_at timestamptz,
    reacted_at timestamptz,
    bounced_at timestamptz,
    dropped_at timestamptz,
    opened_at timestamptz,
    clicked_at timestamptz,
    unsubscribed_at timestamptz,
    complained_at timestamptz,
    delivered_at timestamptz
);
create table if not exists lead_behaviours (
    lead_id varchar,
    behaviour smallint,
    event_id uuid,
    event_type varchar,
    occurred_at timestamptz,
    received_at timestamptz,
    page_group varchar,
    send_id varchar,
    deal varchar,
    is_machine boolean,
    is_opt_out_click boolean,
    is_counted boolean
);
create table if not exists lead_activity (
    lead_id varchar, first_at timestamptz, first_source varchar, last_action_at timestamptz
);
create table if not exists lead_next_changes (lead_id varchar, award_at timestamptz, answer_at timestamptz);
create table if not exists lead_company_keys (
    lead_id varchar, valid_from timestamptz, valid_to timestamptz, number varchar, domain varchar, name varchar
);
create table if not exists lead_accounts (
    lead_id varchar, account_id varchar, valid_from timestamptz, valid_to timestamptz
);
create table if not exists account_domains (value varchar, account_id varchar);
create table if not exists account_names (value varchar, account_id varchar);
