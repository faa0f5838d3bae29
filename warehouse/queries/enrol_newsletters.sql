-- One row per lead that was in the segment when an issue of its newsletter was due, and has not had that issue.
-- key: lead_id, scenario, step, occurrence
-- from: due_issues, segment_members, enrolments, lead_aliases
with members as (
    select
        segment_members.lead_id,
        due_issues.scenario,
        due_issues.step,
        due_issues.occurrence,
        due_issues.due_at,
    from due_issues
    inner join warehouse.segment_members
        on
            due_issues.segment = segment_members.segment
            and segment_members.entered_at <= due_issues.due_at
            and (segment_members.left_at is null or segment_members.left_at > due_issues.due_at)
)

select
    members.lead_id,
    members.scenario,
    members.step,
    members.occurrence,
    concat_ws(' ', 'newsletter', members.scenario, members.step, members.occurrence) as trigger_event_id,
    members.due_at as triggered_at,
    members.due_at,
    $as_of as enrolled_at,
    $rule_set_version as rule_set_version,
from members
where
    not exists (
        -- whatever member of a merged lead had it, the lead had
        select 1
        from enrolments
        inner join warehouse.lead_aliases on enrolments.lead_id = lead_aliases.alias_lead_id
        where
            lead_aliases.lead_id = members.lead_id
            and enrolments.scenario = members.scenario
            and enrolments.step = members.step
            and enrolments.occurrence = members.occurrence
    )
