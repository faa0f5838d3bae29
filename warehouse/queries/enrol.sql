-- One row per lead and step whose trigger has happened and that is not enrolled yet: the first trigger that serves it.
-- key: lead_id, scenario, step, occurrence
-- from: lead_behaviours, rule_steps, lead_stage_changes, segment_members, lead_aliases, enrolments
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
        and (triggers.trigger_count = 1 or triggers.trigger_count = triggers.nth)
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
        and not exists (
            -- whatever member of a merged lead was enrolled, the lead was
            select 1
            from enrolments
            inner join warehouse.lead_aliases on enrolments.lead_id = lead_aliases.alias_lead_id
            where
                lead_aliases.lead_id = triggers.lead_id
                and enrolments.scenario = triggers.scenario
                and enrolments.step = triggers.step
        )
)

select
    lead_id,
    scenario,
    step,
    1 as occurrence,
    event_id as trigger_event_id,
    occurred_at as triggered_at,
    due_at,
    $as_of as enrolled_at,
    $rule_set_version as rule_set_version,
from serving
qualify row_number() over (partition by lead_id, scenario, step order by occurred_at, event_id) = 1
