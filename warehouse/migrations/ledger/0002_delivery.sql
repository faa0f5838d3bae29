-- Until when a mail may wait: a while after it first might have gone.
alter table sends add column expires_at timestamptz;
comment on column sends.expires_at is 'After this it is too late to send it; NULL where planned before this was kept.';
alter table sends add column kind varchar;
comment on column sends.kind is 'step, trigger or newsletter.';

create table holdout (
    lead_id varchar primary key,
    is_held_out boolean not null,
    assigned_at timestamptz not null
);
comment on table holdout is 'Whether a lead is of the share that gets no marketing mail; told once.';
