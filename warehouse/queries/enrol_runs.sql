-- One row per run that has come to a mail it is not enrolled for yet.
-- key: lead_id, scenario, step, occurrence
-- from: scenario_runs, rule_nodes, enrolments
-- The first mail answers what began the run, like a row of the sheet would; the later ones answer nothing but the run.
select
    runs.lead_id,
    runs.scenario,
    runs.node as step,
    runs.occurrence,
    case
        when earlier.scenario is null then runs.trigger_event_id
        else concat_ws(' ', runs.trigger_event_id, runs.scenario, runs.node)
    end as trigger_event_id,
    runs.reached_at as triggered_at,
    runs.reached_at as due_at,
    $as_of as enrolled_at,
    runs.entered_at,
    $rule_set_version as rule_set_version,
from scenario_runs as runs
inner join warehouse.rule_nodes as nodes on runs.scenario = nodes.scenario and runs.node = nodes.node
left join (
    select distinct lead_id, scenario, occurrence
    from enrolments
    where entered_at is not null and lead_id in (select lead_id from scenario_runs where state = 'active')
) as earlier
    on
        runs.lead_id = earlier.lead_id
        and runs.scenario = earlier.scenario
        and runs.occurrence = earlier.occurrence
where
    runs.state = 'active'
    and nodes.kind = 'mail'
    and not exists (
        select 1
        from enrolments
        where
            enrolments.lead_id = runs.lead_id
            and enrolments.scenario = runs.scenario
            and enrolments.step = runs.node
            and enrolments.occurrence = runs.occurrence
    )
