-- As enrolments, in a transaction of its own: all of a table's index is in memory until it is committed.
create table decisions_by_number (
    send_number uhugeint primary key,
    send_id varchar not null,
    lead_id varchar not null,
    scenario varchar not null,
    step varchar not null,
    variant varchar not null,
    occurrence integer not null,
    segment varchar not null,
    due_at timestamptz not null,
    decision varchar not null,
    decided_at timestamptz not null,
    is_final boolean not null,
    rule_set_version varchar not null
);
insert into decisions_by_number
select
    if(
        regexp_full_match(send_id, 'S[0-9a-f]{24}'),
        ('0x' || substr(md5(concat_ws(chr(31), scenario, step, occurrence)), 1, 8) || substr(send_id, 2))::uhugeint,
        md5_number(send_id)
    ),
    *
from send_decisions
order by rowid;
drop table send_decisions;
alter table decisions_by_number rename to send_decisions;
comment on table send_decisions is 'One send key: whether its mail goes out, or the one reason why not.';
comment on column send_decisions.send_number is
'Stands for the send_id, and is the key: those of one step and occurrence are near each other.';
