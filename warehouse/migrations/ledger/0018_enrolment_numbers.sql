-- The key of enrolments, decisions and sends is a number that stands for the send_id, so what is unique stays so. It
-- begins with what a mail shares with all of its step and occurrence: the mails of an issue stand together in the
-- index, and to add a million of them reads and writes that part of it alone, however many the ledger holds. Keys that
-- are in no order bring all of the index into memory; so do those of one step that are first mails, of its part.
create table enrolments_by_number (
    send_number uhugeint primary key,
    send_id varchar not null,
    lead_id varchar not null,
    scenario varchar not null,
    step varchar not null,
    occurrence integer not null,
    trigger_event_id varchar not null,
    triggered_at timestamptz not null,
    due_at timestamptz not null,
    enrolled_at timestamptz not null,
    rule_set_version varchar not null,
    entered_at timestamptz
);
insert into enrolments_by_number
select
    if(
        regexp_full_match(send_id, 'S[0-9a-f]{24}'),
        ('0x' || substr(md5(concat_ws(chr(31), scenario, step, occurrence)), 1, 8) || substr(send_id, 2))::uhugeint,
        md5_number(send_id)
    ),
    *
from enrolments
order by rowid;
drop table enrolments;
alter table enrolments_by_number rename to enrolments;
comment on table enrolments is 'One lead''s run towards one step''s mail, started by a trigger.';
comment on column enrolments.send_number is
'Stands for the send_id, and is the key: those of one step and occurrence are near each other.';
comment on column enrolments.send_id is 'Names the mail, whether it is ever sent or not.';
comment on column enrolments.entered_at is 'Since when what ends a run early counts; NULL: since triggered_at.';
