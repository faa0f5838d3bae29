-- What weekly and monthly reviews said, and that it was mailed.
create table review_findings (
    period varchar not null check (period in ('week', 'month')),
    period_start date not null,
    finding varchar not null,
    subject varchar not null,
    period_end date not null,
    position integer not null,
    metric varchar,
    this_period double,
    last_period double,
    change double,
    low double,
    high double,
    p_value double,
    is_noise boolean,
    told varchar not null,
    what_to_do varchar not null,
    rule_file varchar,
    rule_edit varchar,
    expected_effect varchar,
    reviewed_at timestamptz not null,
    rule_set_version varchar not null,
    primary key (period, period_start, finding, subject)
);
comment on table review_findings is
'One finding of a weekly or monthly review, as it was told. A period is reviewed once.';
comment on column review_findings.position is 'Its place in the report.';

-- A review is a message, too: cause says of which kind of period, on_date its first day.
create table notices_of_all (
    notice_id varchar primary key,
    kind varchar not null check (
        kind in ('handoff', 'notify', 'reminder', 'escalation', 'reassigned', 'digest', 'review')
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
    state_changed_at timestamptz not null,
    route varchar,
    turn double
);
insert into notices_of_all by name from notices;
drop table notices;
alter table notices_of_all rename to notices;
comment on table notices is 'One message about one lead and cause, about a day or about a period; sent once.';
comment on column notices.notice_id is
'Made of what the message is about and whom it goes to, so that there is one of each.';
comment on column notices.recipient is 'The owner, manager, reviewer or channel of the rules that it goes to.';
comment on column notices.on_date is
'Of a digest: the local date it is about; of a review: the first day of its period.';
comment on column notices.route is 'Of what is no handoff: the rule of routes that fits; NULL where none does.';
comment on column notices.turn is 'Of what is no handoff: where it stands in its owner''s share of these.';
