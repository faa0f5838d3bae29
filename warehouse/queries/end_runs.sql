-- One row per run that ends before its last mail: why.
-- key: lead_id, scenario, occurrence
-- from: scenario_runs, leaving, rule_scenarios, rule_nodes, lead_aliases
with active as (
    select
        runs.*,
        row_number() over (
            partition by coalesce(aliases.lead_id, runs.lead_id), runs.scenario
            order by runs.entered_at, runs.lead_id
        ) as of_the_lead,
    from scenario_runs as runs
    left join warehouse.lead_aliases as aliases on runs.lead_id = aliases.alias_lead_id
    where runs.state = 'active'
)

select
    active.lead_id,
    active.scenario,
    active.occurrence,
    case
        when
            rule_scenarios.scenario is null or (active.node is not null and rule_nodes.node is null)
            then 'step_removed'
        when active.of_the_lead > 1 then 'merged'
        else leaving.reason
    end as end_reason,
from active
left join leaving
    on
        active.lead_id = leaving.lead_id
        and active.scenario = leaving.scenario
        and active.occurrence = leaving.occurrence
left join warehouse.rule_scenarios on active.scenario = rule_scenarios.scenario
left join warehouse.rule_nodes on active.scenario = rule_nodes.scenario and active.node = rule_nodes.node
where
    leaving.reason is not null
    or active.of_the_lead > 1
    or rule_scenarios.scenario is null
    or (active.node is not null and rule_nodes.node is null)
