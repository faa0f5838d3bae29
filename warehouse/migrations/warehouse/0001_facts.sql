-- The facts: what was pulled, append-only, and how far each source has been read.
-- Identifiers are unique by the loading statements (one writer, anti-join in the same transaction): an index over
-- a hundred million events would cost more than the data.

create table events (
    event_id varchar not null,
    source varchar not null,
    event_type varchar not null,
    occurred_at timestamptz not null,
    received_at timestamptz not null,
    email varchar,
    external_id varchar,
    visitor varchar,
    url varchar,
    asset varchar,
    send_id varchar,
    properties map(varchar, varchar)
);
comment on table events is 'One behaviour at an instant, as its source told it. Immutable.';
comment on column events.event_id is 'The source''s own id, else a hash of source, row and ordinal among its like.';
comment on column events.occurred_at is 'When it happened (UTC).';
comment on column events.received_at is 'The as_of of the pull that brought it: before this instant nobody here knew.';
comment on column events.email is 'Normalised address, where the source gives one.';
comment on column events.external_id is 'A source''s own id of the person, as id_space:id.';
comment on column events.visitor is 'A browser''s cookie, where the source gives one.';
comment on column events.send_id is 'The send it answers, for mail events.';

create table lead_records (
    record_id varchar not null,
    source varchar not null,
    external_id varchar,
    email varchar,
    visitor varchar,
    occurred_at timestamptz not null,
    received_at timestamptz not null,
    attributes map(varchar, varchar) not null,
    created_at timestamptz
);
comment on table lead_records is 'One row of a source about a person, with the attributes it told. Immutable.';
comment on column lead_records.occurred_at is 'When the source changed the row: what it says holds from then on.';
comment on column lead_records.created_at is 'Since when the source knows the person, where it says so.';

create table deal_records (
    record_id varchar not null,
    source varchar not null,
    deal_id varchar not null,
    external_id varchar,
    email varchar,
    status varchar not null check (status in ('open', 'won', 'lost')),
    amount decimal(18, 2),
    occurred_at timestamptz not null,
    received_at timestamptz not null,
    attributes map(varchar, varchar) not null
);
comment on table deal_records is 'One row of a source about a deal. Immutable; each also stands in events.';

create table consent_records (
    record_id varchar not null,
    source varchar not null,
    external_id varchar,
    email varchar,
    mail_kind varchar not null,
    is_granted boolean not null,
    basis varchar,
    evidence varchar,
    occurred_at timestamptz not null,
    received_at timestamptz not null
);
comment on table consent_records is 'One grant or withdrawal of consent, with its basis and evidence. Immutable.';
comment on column consent_records.basis is 'opt_in_form, business_card, existing_dealings or published_address.';

create table suppression_records (
    record_id varchar not null,
    source varchar not null,
    external_id varchar,
    email varchar,
    blocks varchar not null check (blocks in ('marketing', 'all')),
    reason varchar not null,
    occurred_at timestamptz not null,
    received_at timestamptz not null
);
comment on table suppression_records is 'One reason not to mail an address: all mail, or marketing only.';

create table quarantine (
    quarantine_id varchar primary key,
    source varchar not null,
    file varchar,
    line bigint,
    column_name varchar,
    value varchar,
    reason varchar not null,
    received_at timestamptz not null
);
comment on table quarantine is 'One value or row that could not be loaded, where it stands, and why.';

create table watermarks (
    source varchar primary key,
    watermark varchar not null,
    moved_at timestamptz not null
);
comment on table watermarks is 'How far a source has been read; moved in the transaction that stores the rows.';

create table files_read (
    source varchar not null,
    path varchar not null,
    fingerprint varchar not null,
    rows_loaded bigint not null,
    rows_quarantined bigint not null,
    read_at timestamptz not null,
    primary key (source, path)
);
comment on table files_read is 'Which state of a file was read last; a file whose fingerprint changed is read again.';

create table instants (
    flow varchar primary key,
    as_of timestamptz not null
);
comment on table instants is 'The latest as_of each flow has computed here.';
