-- The ledger: what was decided and what was done. Its keys are the only guard against mailing twice, so they are
-- constraints, and it is never restored older than it was.

create table activations (
    rule_set varchar primary key,
    active_from timestamptz not null
);
comment on table activations is 'From when on a rule set acts: triggers before it start nothing.';

create table enrolments (
    lead_id varchar not null,
    scenario varchar not null,
    step varchar not null,
    occurrence integer not null,
    trigger_event_id varchar not null,
    triggered_at timestamptz not null,
    due_at timestamptz not null,
    enrolled_at timestamptz not null,
    rule_set_version varchar not null,
    primary key (lead_id, scenario, step, occurrence)
);
comment on table enrolments is 'One lead''s run towards one step''s mail, started by a trigger.';

create table send_decisions (
    send_id varchar primary key,
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
    rule_set_version varchar not null,
    unique (lead_id, scenario, step, occurrence)
);
comment on table send_decisions is 'One send key: whether its mail goes out, or the one reason why not.';

create table send_decision_changes (
    send_id varchar not null,
    decision varchar not null,
    decided_at timestamptz not null,
    is_final boolean not null
);
comment on table send_decision_changes is 'Each decision a send key has had, the latest included.';

create table sends (
    send_id varchar primary key,
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
    unique (lead_id, scenario, step, occurrence)
);
comment on table sends is 'One mail to one lead: what became of it.';
comment on column sends.lead_id is 'The lead as it was when the key was claimed; never rewritten.';
comment on column sends.email is 'The address it went to.';
comment on column sends.sent_at is 'The as_of of the run whose request carried it.';

create table attempts (
    attempt_id varchar primary key,
    started_at timestamptz not null,
    finished_at timestamptz,
    mails integer not null,
    payload_hash varchar not null,
    outcome varchar not null check (outcome in ('sending', 'accepted', 'rejected', 'not_sent', 'unknown')),
    http_status integer,
    message varchar
);
comment on table attempts is 'One request to the mail provider, noted before it leaves.';

create table attempt_sends (
    attempt_id varchar not null,
    send_id varchar not null,
    primary key (attempt_id, send_id)
);
comment on table attempt_sends is 'Which sends rode in which request.';

create table handoffs (
    handoff_id varchar primary key,
    lead_id varchar not null,
    cause varchar not null,
    cause_event_id varchar not null,
    caused_at timestamptz not null,
    owner varchar not null,
    handed_off_at timestamptz not null,
    due_at timestamptz not null,
    second_due_at timestamptz not null,
    status varchar not null default 'new',
    first_contact_at timestamptz,
    outcome varchar,
    reject_reason varchar,
    written_at timestamptz,
    rule_set_version varchar not null,
    unique (lead_id, cause_event_id)
);
comment on table handoffs is 'One lead given to sales, and how the follow-up went.';
comment on column handoffs.due_at is 'caused_at plus the limit; never moves.';
comment on column handoffs.written_at is 'When it was written to the SFA.';

create table handoff_decisions (
    lead_id varchar not null,
    cause varchar not null,
    cause_event_id varchar not null,
    caused_at timestamptz not null,
    decision varchar not null,
    decided_at timestamptz not null,
    rule_set_version varchar not null,
    primary key (lead_id, cause_event_id)
);
comment on table handoff_decisions is 'One cause that did not lead to a handoff, and why.';

create table notices (
    notice_id varchar primary key,
    kind varchar not null check (kind in ('handoff', 'notify')),
    lead_id varchar not null,
    cause varchar not null,
    cause_event_id varchar not null,
    handoff_id varchar,
    owner varchar not null,
    state varchar not null check (state in ('planned', 'sending', 'accepted', 'rejected', 'cancelled', 'unknown')),
    state_reason varchar,
    planned_at timestamptz not null,
    sent_at timestamptz,
    state_changed_at timestamptz not null,
    unique (lead_id, cause_event_id, kind)
);
comment on table notices is 'One message to a sales rep about one lead and cause; sent once.';

create table instants (
    flow varchar primary key,
    as_of timestamptz not null
);
comment on table instants is 'The latest as_of each flow has acted at.';

create table pauses (
    scenario varchar primary key,
    paused_at timestamptz not null
);
comment on table pauses is 'Scenarios that do not send; ''*'' stops all.';
