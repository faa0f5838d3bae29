-- One row per run that ends before its last mail: why.
-- key: lead_id, scenario, occurrence
-- from: scenario_runs, leaving, rule_scenarios, rule_nodes, lead_aliases, enrolments
-- Of two runs of leads that turned out to be one, the one that is further on goes on.
with mails as (
    select lead_id, scenario, occurrence, count(*) as mails
    from enrolments
    where entered_at is not null
    group by lead_id, scenario, occurrence
),

active as (
    select
        runs.*,
        aliases.lead_id as current_lead_id,
        row_number() over (
            partition by coalesce(aliases.lead_id, runs.lead_id), runs.scenario
            order by coalesce(mails.mails, 0) desc, runs.entered_at, runs.lead_id
        ) as of_the_lead,
    from scenario_runs as runs
    left join warehouse.lead_aliases as aliases on runs.lead_id = aliases.alias_lead_id
    left join mails
        on
            runs.lead_id = mails.lead_id
            and runs.scenario = mails.scenario
            and runs.occurrence = mails.occurrence
    where runs.state = 'active'
),

judged as (
    select
        active.lead_id,
        active.scenario,
        active.occurrence,
        case
            when
                rule_scenarios.scenario is null or (active.node is not null and rule_nodes.node is null)
                then 'step_removed'
            when active.current_lead_id is null then 'unknown_lead'
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
)

select lead_id, scenario, occurrence, end_reason
from judged
where end_reason is not null
