-- What the provider's logs said of sends that are unknown.
create table log_lookups (
    send_id varchar primary key,
    asked_at timestamptz not null,
    is_found boolean not null,
    is_silence_proof boolean not null
);
comment on table log_lookups is 'The last time the provider''s logs were asked for an unknown send.';
comment on column log_lookups.is_found is 'They know it: it was taken, and is never released.';
comment on column log_lookups.is_silence_proof is
'They do not, and knew mails sent before it and after its grace period: they are of the right account and up to date.';
