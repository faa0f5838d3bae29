-- One row per run of a lead through a scenario with waits and branches, as it stood at an instant.
-- key: lead_id, scenario, occurrence
-- from: scenario_runs, scenario_run_moves, lead_aliases
with places as (
    select
        lead_id,
        scenario,
        occurrence,
        arg_max_null(node, (moved_at, reached_at)) as node,
        max(reached_at) as reached_at,
    from ledger.scenario_run_moves
    where moved_at <= $as_of
    group by lead_id, scenario, occurrence
)

select
    runs.scenario,
    runs.occurrence,
    runs.entered_at,
    places.node,
    places.reached_at,
    -- what came after this instant is not told
    if(runs.node is not distinct from places.node, runs.waits_until, null) as waits_until,
    case when runs.ended_at <= $as_of then runs.end_reason end as end_reason,
    case when runs.ended_at <= $as_of then runs.ended_at end as ended_at,
from ledger.scenario_runs as runs
left join places
    on
        runs.lead_id = places.lead_id
        and runs.scenario = places.scenario
        and runs.occurrence = places.occurrence
where
    runs.enrolled_at <= $as_of
    and runs.lead_id in (select alias_lead_id from lead_aliases where lead_id = $lead_id)
order by runs.entered_at, runs.scenario
