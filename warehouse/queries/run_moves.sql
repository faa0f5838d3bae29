-- One row per run that can leave its place: where it goes, since when it stands there, and until when it waits.
-- key: lead_id, scenario, occurrence
-- from: scenario_runs, rule_scenarios, rule_nodes, rule_arms, send_decisions, sends, lead_aliases, lead_attributes,
--       lead_behaviours, segment_members, known_zones, business_days
-- A wait is over when its time has come, a mail when it has gone or was decided against for good. The next wait counts
-- from then, and a branch is judged as of then, not as of the run that saw it.
with standing as (
    select
        runs.lead_id,
        runs.scenario,
        runs.occurrence,
        runs.entered_at,
        aliases.lead_id as current_lead_id,
        runs.node,
        nodes.kind,
        if(runs.node is null, rule_scenarios.first_node, nodes.next_node) as next_node,
        case nodes.kind
            when 'wait' then runs.waits_until
            -- a mail that was moved in the rules may have been decided on before the run came to it again
            when 'mail'
                then greatest(coalesce(sends.sent_at, sends.state_changed_at, decisions.decided_at), runs.reached_at)
            else runs.reached_at
        end as left_at,
    from scenario_runs as runs
    inner join warehouse.rule_scenarios on runs.scenario = rule_scenarios.scenario
    inner join warehouse.lead_aliases as aliases on runs.lead_id = aliases.alias_lead_id
    left join warehouse.rule_nodes as nodes on runs.scenario = nodes.scenario and runs.node = nodes.node
    left join send_decisions as decisions
        on
            runs.lead_id = decisions.lead_id
            and runs.scenario = decisions.scenario
            and runs.node = decisions.step
            and runs.occurrence = decisions.occurrence
            and decisions.is_final
    left join sends on decisions.send_id = sends.send_id
    where
        runs.state = 'active'
        and rule_scenarios.is_enabled
        and (
            runs.node is null
            or nodes.kind = 'branch'
            or (nodes.kind = 'wait' and runs.waits_until <= $as_of)
            or (
                nodes.kind = 'mail'
                and decisions.decided_at is not null
                -- the next wait begins when the mail has gone
                and coalesce(sends.state not in ('planned', 'claimed', 'sending'), true)
            )
        )
),

asked as (
    select
        standing.lead_id,
        standing.scenario,
        standing.occurrence,
        standing.current_lead_id,
        standing.entered_at,
        standing.left_at,
        arms.position,
        arms.segment,
        arms.behaviour,
        arms.at_least,
        arms.next_node,
    from standing
    inner join warehouse.rule_arms as arms on standing.scenario = arms.scenario and standing.node = arms.node
    where standing.kind = 'branch'
),

taken as (
    select
        lead_id,
        scenario,
        occurrence,
        arg_min_null(next_node, position) as next_node,
    from asked
    where
        (
            segment is null
            or exists (
                select 1
                from warehouse.segment_members
                where
                    segment_members.segment = asked.segment
                    and segment_members.lead_id = asked.current_lead_id
                    and segment_members.entered_at <= asked.left_at
                    and (segment_members.left_at is null or segment_members.left_at > asked.left_at)
            )
        )
        and (
            behaviour is null
            or (
                select count(*)
                from warehouse.lead_behaviours
                where
                    lead_behaviours.lead_id = asked.current_lead_id
                    and lead_behaviours.behaviour = asked.behaviour
                    and lead_behaviours.is_counted
                    and lead_behaviours.occurred_at > asked.entered_at
                    and lead_behaviours.occurred_at <= asked.left_at
            ) >= at_least
        )
    group by lead_id, scenario, occurrence
),

moved as (
    select
        standing.lead_id,
        standing.scenario,
        standing.occurrence,
        standing.left_at as reached_at,
        if(standing.kind = 'branch', taken.next_node, standing.next_node) as node,
        coalesce(known_zones.zone, $timezone) as zone,
        timezone(coalesce(known_zones.zone, $timezone), standing.left_at) as local_at,
    from standing
    left join taken using (lead_id, scenario, occurrence)
    left join warehouse.lead_attributes on standing.current_lead_id = lead_attributes.lead_id
    left join known_zones on lead_attributes.attributes[$time_zone_field] = known_zones.zone
),

placed as (
    select
        moved.*,
        nodes.delay_us,
        nodes.business_days,
        nodes.weekday,
        nodes.at_us,
        nodes.kind = 'wait' as is_wait,
        -- the day that is meant, if it is not over yet by the clock
        case
            when nodes.weekday is null then moved.local_at::date
            else moved.local_at::date + ((nodes.weekday - isodow(moved.local_at) + 7) % 7)::integer
        end as meant_day,
        coalesce(last_open.number, 0) as open_days_before,
    from moved
    left join warehouse.rule_nodes as nodes on moved.scenario = nodes.scenario and moved.node = nodes.node
    asof left join business_days as last_open on moved.local_at::date >= last_open.day
)

select
    placed.lead_id,
    placed.scenario,
    placed.occurrence,
    placed.node,
    placed.reached_at,
    case
        when not placed.is_wait or placed.node is null then null
        when placed.delay_us is not null then placed.reached_at + to_microseconds(placed.delay_us)
        when placed.business_days is not null
            then
                timezone(
                    placed.zone,
                    -- days farther ahead than the calendar goes are days like others
                    coalesce(due_day.day, placed.local_at::date + placed.business_days)
                    + (placed.local_at - date_trunc('day', placed.local_at))
                )
        when placed.at_us is null and placed.meant_day = placed.local_at::date then placed.reached_at
        when placed.meant_day + to_microseconds(coalesce(placed.at_us, 0)) >= placed.local_at
            then timezone(placed.zone, placed.meant_day + to_microseconds(coalesce(placed.at_us, 0)))
        else
            timezone(
                placed.zone,
                placed.meant_day + if(placed.weekday is null, interval 1 day, interval 7 days)
                + to_microseconds(coalesce(placed.at_us, 0))
            )
    end as waits_until,
from placed
left join business_days as due_day on placed.open_days_before + placed.business_days = due_day.number
