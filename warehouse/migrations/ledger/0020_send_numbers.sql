-- As enrolments.
create table sends_by_number (
    send_number uhugeint primary key,
    send_id varchar not null,
    lead_id varchar not null,
    scenario varchar not null,
    step varchar not null,
    variant varchar not null,
    occurrence integer not null,
    segment varchar not null,
    category varchar not null check (category in ('marketing', 'transactional')),
    state varchar not null check (
        state in (
            'planned', 'claimed', 'sending', 'accepted', 'delivered', 'bounced', 'dropped', 'rejected', 'cancelled',
            'unknown'
        )
    ),
    state_reason varchar,
    email varchar not null,
    due_at timestamptz not null,
    planned_at timestamptz not null,
    attempt_id varchar,
    message_id varchar,
    sent_at timestamptz,
    state_changed_at timestamptz not null,
    rule_set_version varchar not null,
    expires_at timestamptz,
    kind varchar,
    noted_at timestamptz
);
insert into sends_by_number
select
    if(
        regexp_full_match(send_id, 'S[0-9a-f]{24}'),
        ('0x' || substr(md5(concat_ws(chr(31), scenario, step, occurrence)), 1, 8) || substr(send_id, 2))::uhugeint,
        md5_number(send_id)
    ),
    *
from sends
order by rowid;
drop table sends;
alter table sends_by_number rename to sends;
comment on table sends is 'One mail to one lead: what became of it.';
comment on column sends.send_number is
'Stands for the send_id, and is the key: those of one step and occurrence are near each other.';
comment on column sends.lead_id is 'The lead as it was when the key was claimed; never rewritten.';
comment on column sends.email is 'The address it went to.';
comment on column sends.sent_at is 'The as_of of the run whose request carried it.';
comment on column sends.expires_at is 'After this it is too late to send it; NULL where planned before this was kept.';
comment on column sends.kind is 'step, trigger or newsletter.';
comment on column sends.noted_at is
'The run that took over what the provider told, where state_changed_at is the instant it told; NULL: none yet.';
