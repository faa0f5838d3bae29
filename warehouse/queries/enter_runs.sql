-- One row per lead that enters a scenario with waits and branches, by what it did or by coming into the segment.
-- key: lead_id, scenario
-- from: lead_behaviours, rule_scenarios, segment_members, scenario_runs, lead_aliases
-- A lead is in a scenario once at a time. What it did while it was in it does not begin it again.
with counted as (
    select
        lead_behaviours.lead_id,
        rule_scenarios.scenario,
        rule_scenarios.segment,
        rule_scenarios.entry_count,
        rule_scenarios.re_entry_us,
        lead_behaviours.event_id::varchar as trigger_event_id,
        lead_behaviours.occurred_at as entered_at,
        lead_behaviours.received_at,
        row_number() over (
            partition by lead_behaviours.lead_id, rule_scenarios.scenario
            order by lead_behaviours.occurred_at, lead_behaviours.event_id
        ) as nth,
    from warehouse.lead_behaviours
    inner join warehouse.rule_scenarios on lead_behaviours.behaviour = rule_scenarios.behaviour
    where rule_scenarios.is_enabled and lead_behaviours.is_counted
),

entries as (
    select lead_id, scenario, trigger_event_id, entered_at, entered_at as began_at, re_entry_us
    from counted
    where
        (nth = entry_count or (re_entry_us is not null and nth % entry_count = 0))
        and entered_at >= $active_from
        -- as for the sheet: a scenario added since the run before does not reach back
        and (received_at >= $last_seen or entered_at + $expires_after > $last_seen)
        and exists (
            select 1
            from warehouse.segment_members
            where
                segment_members.segment = counted.segment
                and segment_members.lead_id = counted.lead_id
                and (segment_members.left_at is null or segment_members.left_at > counted.entered_at)
        )
    union all
    select
        segment_members.lead_id,
        rule_scenarios.scenario,
        'segment ' || rule_scenarios.segment || ' for ' || rule_scenarios.scenario as trigger_event_id,
        -- for those who have been in it for long it begins now
        case
            when
                segment_members.entered_at >= $active_from and segment_members.entered_at + $expires_after > $as_of
                then segment_members.entered_at
            when rule_scenarios.with_members then $as_of
            else segment_members.entered_at
        end as entered_at,
        segment_members.entered_at as began_at,
        rule_scenarios.re_entry_us,
    from warehouse.segment_members
    inner join warehouse.rule_scenarios on segment_members.segment = rule_scenarios.segment
    where
        rule_scenarios.is_enabled
        and rule_scenarios.behaviour is null
        and segment_members.left_at is null
        and $as_of >= $active_from
        and (
            rule_scenarios.with_members
            or (
                segment_members.entered_at >= $active_from
                and segment_members.entered_at + $expires_after > $last_seen
            )
        )
),

past as (
    -- whatever member of a merged lead was in it, the lead was
    select
        lead_aliases.lead_id,
        scenario_runs.scenario,
        max(scenario_runs.occurrence) as occurrence,
        max(scenario_runs.entered_at) as entered_at,
        max(scenario_runs.ended_at) as ended_at,
        bool_or(scenario_runs.state = 'active') as is_active,
    from scenario_runs
    inner join warehouse.lead_aliases on scenario_runs.lead_id = lead_aliases.alias_lead_id
    where lead_aliases.lead_id in (select lead_id from entries)
    group by lead_aliases.lead_id, scenario_runs.scenario
)

select
    entries.lead_id,
    entries.scenario,
    coalesce(past.occurrence, 0) + 1 as occurrence,
    entries.trigger_event_id,
    entries.entered_at,
    $as_of as enrolled_at,
    null as node,
    entries.entered_at as reached_at,
    null as waits_until,
    'active' as state,
    null as end_reason,
    null as ended_at,
    $rule_set_version as rule_set_version,
from entries
left join past on entries.lead_id = past.lead_id and entries.scenario = past.scenario
where
    past.lead_id is null
    or (
        not past.is_active
        -- whoever has stayed in the segment has not come into it again
        and entries.began_at > past.ended_at
        and entries.entered_at >= past.entered_at + to_microseconds(entries.re_entry_us)
    )
qualify
    row_number() over (
        partition by entries.lead_id, entries.scenario order by entries.entered_at, entries.trigger_event_id
    ) = 1
