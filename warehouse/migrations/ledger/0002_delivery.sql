-- Until when a mail may wait: a while after it first might have gone.
alter table sends add column expires_at timestamptz;
comment on column sends.expires_at is 'After this it is too late to send it; NULL where planned before this was kept.';
