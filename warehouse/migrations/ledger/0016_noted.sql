-- A bounce of yesterday may be told today: a publication has to find what runs since the last one changed.
alter table sends add column noted_at timestamptz;
comment on column sends.noted_at is
'The run that took over what the provider told, where state_changed_at is the instant it told; NULL: none yet.';
