-- Who took a lead and why, how the follow-up went, who was told, and what the SFA has.
alter table handoffs add column route varchar;
alter table handoffs add column turn double;
alter table handoffs add column assigned_because varchar;
alter table handoffs add column remind_at timestamptz;
alter table handoffs add column status_changed_at timestamptz;
alter table handoffs add column reassigned_at timestamptz;
update handoffs set status_changed_at = handed_off_at;
comment on column handoffs.route is 'The rule of routes that found the owner; NULL where none did.';
comment on column handoffs.turn is
'Where it stands in its owner''s share: of two owners the one with the lower is next.';
comment on column handoffs.assigned_because is 'same_owner, route, turn, cover or over_capacity.';
comment on column handoffs.remind_at is 'When the owner is reminded; NULL: never.';
comment on column handoffs.status_changed_at is 'Since when the follow-up stands so.';
comment on column handoffs.reassigned_at is 'When the second limit gave it to another owner.';
comment on column handoffs.written_at is 'When it was last written to the SFA; NULL where it has to be.';

create table handoff_changes (
    change_id varchar primary key,
    handoff_id varchar not null,
    changed_at timestamptz not null,
    noted_at timestamptz not null,
    source varchar not null check (source in ('sfa', 'link', 'engine')),
    status varchar,
    owner varchar,
    first_contact_at timestamptz,
    outcome varchar,
    reject_reason varchar
);
comment on table handoff_changes is
'One thing that happened to a handoff after it was made: what sales did, or a new owner.';
comment on column handoff_changes.change_id is 'The event that told of it, or what the engine named it.';
comment on column handoff_changes.noted_at is 'The as_of of the run that noted it.';

-- Notices go to several people and rooms, and about more than a lead's cause.
create table notices_to_all (
    notice_id varchar primary key,
    kind varchar not null check (
        kind in ('handoff', 'notify', 'reminder', 'escalation', 'reassigned', 'digest')
    ),
    way varchar not null check (way in ('mail', 'channel')),
    recipient varchar not null,
    lead_id varchar,
    cause varchar,
    cause_event_id varchar,
    handoff_id varchar,
    owner varchar,
    on_date date,
    state varchar not null check (state in ('planned', 'sending', 'accepted', 'rejected', 'cancelled', 'unknown')),
    state_reason varchar,
    planned_at timestamptz not null,
    sent_at timestamptz,
    state_changed_at timestamptz not null
);
insert into notices_to_all
select
    notice_id, kind, 'mail' as way, owner as recipient, lead_id, cause, cause_event_id, handoff_id, owner,
    null as on_date, state, state_reason, planned_at, sent_at, state_changed_at
from notices;
drop table notices;
alter table notices_to_all rename to notices;
comment on table notices is 'One message to sales about one lead and cause, or about a day; sent once.';
comment on column notices.notice_id is
'Made of what the message is about and whom it goes to, so that there is one of each.';
comment on column notices.recipient is 'The owner, manager or channel of the rules that it goes to.';
comment on column notices.on_date is 'Of a digest: the local date it is about.';

create table sfa_leads (
    sfa_id varchar primary key,
    lead_id varchar,
    email varchar,
    owner varchar,
    modified_at timestamptz,
    theirs map(varchar, varchar) not null,
    agreed map(varchar, varchar) not null,
    state varchar not null check (state in ('known', 'deleted', 'merged', 'refused')),
    state_reason varchar,
    corrected_at timestamptz,
    written_at timestamptz,
    ours_hash ubigint,
    is_new_there boolean not null
);
comment on table sfa_leads is
'One person as the SFA has it: what it held when it was last read, and what both sides last agreed on.';
comment on column sfa_leads.lead_id is 'Our lead; NULL where the record bears no id of ours.';
comment on column sfa_leads.owner is 'The SFA''s own id of the user who owns it.';
comment on column sfa_leads.theirs is 'By field: what stands there.';
comment on column sfa_leads.agreed is
'By field: what stood on both sides when they were last the same; changes are measured from it.';
comment on column sfa_leads.corrected_at is
'When a value of theirs was last taken over: until it has been recomputed, ours is the old one.';

comment on column sfa_leads.ours_hash is
'What we had when both sides were last compared; where it is the same, nothing is looked at.';
comment on column sfa_leads.is_new_there is 'Whether the SFA told of something that was not compared yet.';

create table sfa_outbox (
    lead_id varchar primary key,
    sfa_id varchar,
    email varchar,
    given map(varchar, varchar) not null,
    agreed map(varchar, varchar) not null,
    owner varchar,
    seen_at timestamptz,
    merged_into varchar,
    has_correction boolean not null,
    ours_hash ubigint,
    is_settled boolean not null
);
comment on table sfa_outbox is 'What the run under way writes to the SFA; made anew by every run.';
comment on column sfa_outbox.agreed is 'What both sides agree on once it is written.';

create table sfa_corrections (
    sfa_id varchar not null,
    lead_id varchar not null,
    email varchar,
    field varchar not null,
    value varchar not null,
    occurred_at timestamptz not null
);
comment on table sfa_corrections is 'What the run under way takes over from the SFA; made anew by every run.';

create table sfa_conflicts (
    conflict_id varchar primary key,
    sfa_id varchar not null,
    lead_id varchar not null,
    field varchar not null,
    ours varchar,
    theirs varchar,
    agreed varchar,
    ours_changed_at timestamptz,
    theirs_changed_at timestamptz,
    rule varchar not null,
    winner varchar not null check (winner in ('ma', 'sfa')),
    found_at timestamptz not null
);
comment on table sfa_conflicts is
'One field that both sides changed between two runs: both values, and which of them stands.';
comment on column sfa_conflicts.rule is
'ma, sfa or newer: what the rules say of the field; ours for what only the engine writes.';

create table sfa_marks (
    kind varchar primary key,
    changed_until timestamptz not null
);
comment on table sfa_marks is 'Up to which change each kind of record of the SFA has been read.';
