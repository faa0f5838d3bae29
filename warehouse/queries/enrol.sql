-- One row per lead and step that a trigger starts, and that is not enrolled for it yet: the first that serves it.
-- key: lead_id, scenario, step, occurrence
-- from: lead_behaviours, rule_steps, lead_stage_changes, segment_members, lead_aliases, enrolments
-- A step that may be had again starts anew with a trigger that is late enough after the last.
-- A trigger serves a row when the lead's stage, once the trigger has counted, is the row's stage, and the lead is in
-- the row's segment then or comes into it before this run.
with triggers as (
    select
        lead_behaviours.lead_id,
        rule_steps.scenario,
        rule_steps.step,
        rule_steps.segment,
        rule_steps.stage,
        rule_steps.trigger_count,
        rule_steps.re_entry_us,
        lead_behaviours.event_id,
        lead_behaviours.occurred_at,
        lead_behaviours.received_at,
        lead_behaviours.occurred_at + rule_steps.delay as due_at,
        row_number() over (
            partition by lead_behaviours.lead_id, rule_steps.scenario, rule_steps.step
            order by lead_behaviours.occurred_at, lead_behaviours.event_id
        ) as nth,
    from warehouse.lead_behaviours
    inner join warehouse.rule_steps on lead_behaviours.behaviour = rule_steps.behaviour
    where rule_steps.is_enabled and lead_behaviours.is_counted
),

serving as (
    select triggers.*
    from triggers
    inner join warehouse.lead_stage_changes
        on
            triggers.lead_id = lead_stage_changes.lead_id
            and triggers.occurred_at >= lead_stage_changes.changed_at
            and triggers.occurred_at < lead_stage_changes.left_at
            and (triggers.stage is null or triggers.stage = lead_stage_changes.to_stage)
    where
        triggers.occurred_at >= $active_from
        and (
            triggers.trigger_count = 1
            or triggers.trigger_count = triggers.nth
            or (triggers.re_entry_us is not null and triggers.nth % triggers.trigger_count = 0)
        )
        -- what was past when the run before looked, and known to it, was left alone then: a step added since does not
        -- reach back
        and (triggers.received_at >= $last_seen or triggers.due_at + $expires_after > $last_seen)
        and exists (
            select 1
            from warehouse.segment_members
            where
                segment_members.segment = triggers.segment
                and segment_members.lead_id = triggers.lead_id
                and (segment_members.left_at is null or segment_members.left_at > triggers.occurred_at)
        )
),

past as (
    -- whatever member of a merged lead was enrolled, the lead was
    select
        lead_aliases.lead_id,
        enrolments.scenario,
        enrolments.step,
        max(enrolments.occurrence) as occurrence,
        max(enrolments.triggered_at) as triggered_at,
    from enrolments
    inner join warehouse.lead_aliases on enrolments.lead_id = lead_aliases.alias_lead_id
    where lead_aliases.lead_id in (select lead_id from serving)
    group by lead_aliases.lead_id, enrolments.scenario, enrolments.step
)

select
    serving.lead_id,
    serving.scenario,
    serving.step,
    coalesce(past.occurrence, 0) + 1 as occurrence,
    serving.event_id as trigger_event_id,
    serving.occurred_at as triggered_at,
    serving.due_at,
    $as_of as enrolled_at,
    $rule_set_version as rule_set_version,
from serving
left join past
    on serving.lead_id = past.lead_id and serving.scenario = past.scenario and serving.step = past.step
where
    past.lead_id is null
    or (
        serving.occurred_at > past.triggered_at
        and serving.occurred_at >= past.triggered_at + to_microseconds(serving.re_entry_us)
    )
qualify
    row_number() over (
        partition by serving.lead_id, serving.scenario, serving.step order by serving.occurred_at, serving.event_id
    ) = 1
