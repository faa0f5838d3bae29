-- One row per lead and step that a trigger starts, and that is not enrolled for it yet: the first that serves it.
-- key: lead_id, scenario, step, occurrence
-- from: lead_behaviours, rule_steps, lead_stage_changes, segment_members, lead_aliases, enrolments
-- A step that may be had again starts anew with a trigger that is late enough after the last.
-- A trigger serves a row when the lead's stage, once the trigger has counted, is the row's stage, and the lead is in
-- the row's segment then or comes into it before this run. The number of a step stands for its names, which are long.
with steps as (
    select
        scenario,
        step,
        segment,
        stage,
        behaviour,
        trigger_count,
        re_entry_us,
        delay,
        row_number() over (order by scenario, step) as step_number,
    from warehouse.rule_steps
    where is_enabled and behaviour is not null
),

acts as (
    -- what some step may start with, and the stage its lead was in
    select
        lead_behaviours.lead_id,
        lead_behaviours.behaviour,
        lead_behaviours.event_id,
        lead_behaviours.occurred_at,
        lead_behaviours.received_at,
        lead_stage_changes.to_stage as stage,
    from warehouse.lead_behaviours
    inner join warehouse.lead_stage_changes
        on
            lead_behaviours.lead_id = lead_stage_changes.lead_id
            and lead_behaviours.occurred_at >= lead_stage_changes.changed_at
            and lead_behaviours.occurred_at < lead_stage_changes.left_at
    where
        lead_behaviours.is_counted
        and lead_behaviours.occurred_at >= $active_from
        and lead_behaviours.behaviour in (select steps.behaviour from steps)
        -- what may be asked for below: by the longest delay of all here, and there by each step's own
        and (
            lead_behaviours.received_at >= $last_seen
            or lead_behaviours.occurred_at + (select max(steps.delay) from steps) + $expires_after > $last_seen
        )
),

counted as (
    -- for steps that count a lead's acts of a kind: those that complete a count
    select nths.event_id, steps.step_number
    from (
        select
            event_id,
            behaviour,
            row_number() over (partition by lead_id, behaviour order by occurred_at, event_id) as nth,
        from warehouse.lead_behaviours
        where is_counted and behaviour in (select steps.behaviour from steps where steps.trigger_count > 1)
    ) as nths
    inner join steps on nths.behaviour = steps.behaviour
    where
        steps.trigger_count > 1
        and (
            nths.nth = steps.trigger_count
            or (steps.re_entry_us is not null and nths.nth % steps.trigger_count = 0)
        )
),

starting as (
    select acts.lead_id, steps.step_number, steps.segment, steps.re_entry_us, acts.event_id, acts.occurred_at
    from acts
    inner join steps on acts.behaviour = steps.behaviour
    left join counted on acts.event_id = counted.event_id and steps.step_number = counted.step_number
    where
        (steps.stage is null or steps.stage = acts.stage)
        -- what was past when the run before looked, and known to it, was left alone then: a step added since does not
        -- reach back
        and (acts.received_at >= $last_seen or acts.occurred_at + steps.delay + $expires_after > $last_seen)
        and (steps.trigger_count = 1 or counted.event_id is not null)
),

serving as (
    select starting.*
    from starting
    semi join warehouse.segment_members as members
        on
            starting.segment = members.segment
            and starting.lead_id = members.lead_id
            and starting.occurred_at < coalesce(members.left_at, timestamptz 'infinity')
),

past as (
    -- whatever member of a merged lead was enrolled, the lead was
    select
        lead_aliases.lead_id,
        steps.step_number,
        max(enrolments.occurrence) as occurrence,
        max(enrolments.triggered_at) as triggered_at,
    from enrolments
    inner join steps on enrolments.scenario = steps.scenario and enrolments.step = steps.step
    inner join warehouse.lead_aliases on enrolments.lead_id = lead_aliases.alias_lead_id
    where lead_aliases.lead_id in (select acts.lead_id from acts)
    group by lead_aliases.lead_id, steps.step_number
),

firsts as (
    select serving.lead_id, serving.step_number, serving.event_id, serving.occurred_at, past.occurrence
    from serving
    left join past on serving.lead_id = past.lead_id and serving.step_number = past.step_number
    where
        past.lead_id is null
        or (
            serving.occurred_at > past.triggered_at
            and serving.occurred_at >= past.triggered_at + to_microseconds(serving.re_entry_us)
        )
    qualify
        row_number() over (
            partition by serving.lead_id, serving.step_number order by serving.occurred_at, serving.event_id
        ) = 1
)

select
    firsts.lead_id,
    steps.scenario,
    steps.step,
    coalesce(firsts.occurrence, 0) + 1 as occurrence,
    firsts.event_id as trigger_event_id,
    firsts.occurred_at as triggered_at,
    firsts.occurred_at + steps.delay as due_at,
    $as_of as enrolled_at,
    $rule_set_version as rule_set_version,
from firsts
inner join steps on firsts.step_number = steps.step_number
