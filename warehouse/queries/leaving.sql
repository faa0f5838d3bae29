-- One row per asked run or mail that something ends early: what does.
-- key: send_id, lead_id, scenario, occurrence
-- from: asked_enrolments, lead_aliases, rule_exits, rule_scenarios, leads, deals, lead_behaviours, segment_members,
--       scenario_runs, send_decisions
-- A run is asked with no step and no send_id. What ends a run ends the mails it has come to as well; a mail of the
-- sheet has reasons of its own.
with asked as (
    select
        asked_enrolments.*,
        aliases.lead_id as current_lead_id,
        rule_exits.kind,
        rule_exits.behaviour,
        rule_exits.tier,
        rule_scenarios.segment,
    from asked_enrolments
    inner join warehouse.lead_aliases as aliases on asked_enrolments.lead_id = aliases.alias_lead_id
    inner join warehouse.rule_exits
        on
            asked_enrolments.scenario = rule_exits.scenario
            and (rule_exits.step is null or asked_enrolments.step = rule_exits.step)
    left join warehouse.rule_scenarios on asked_enrolments.scenario = rule_scenarios.scenario
),

found as (
    select asked.*
    from asked
    where
        asked.kind = 'goal'
        and exists (
            select 1
            from warehouse.lead_behaviours
            where
                lead_behaviours.lead_id = asked.current_lead_id
                and lead_behaviours.behaviour = asked.behaviour
                -- once is enough, also where it gives no points again
                and not lead_behaviours.is_machine
                and lead_behaviours.occurred_at > asked.since_at
        )
    union all
    select asked.*
    from asked
    where
        asked.kind = 'deal'
        and asked.current_lead_id in (select lead_id from warehouse.deals where status = 'open')
    union all
    select asked.*
    from asked
    inner join warehouse.leads on asked.current_lead_id = leads.lead_id
    where
        (asked.kind = 'hot' and leads.tier = asked.tier)
        or (
            asked.kind = 'consent'
            and (leads.is_suppressed or leads.step_refusal is not null)
            -- who never had it comes to a first mail, which says so
            and exists (
                select 1
                from send_decisions
                where
                    send_decisions.lead_id = asked.lead_id
                    and send_decisions.scenario = asked.scenario
                    and send_decisions.occurrence = asked.occurrence
                    and send_decisions.is_final
            )
        )
    union all
    select asked.*
    from asked
    where
        asked.kind = 'segment'
        and not exists (
            select 1
            from warehouse.segment_members
            where
                segment_members.segment = asked.segment
                and segment_members.lead_id = asked.current_lead_id
                and segment_members.left_at is null
        )
),

reasons as (
    select send_id, lead_id, scenario, occurrence, kind
    from found
    union all
    select asked.send_id, asked.lead_id, asked.scenario, asked.occurrence, runs.end_reason as kind
    from asked_enrolments as asked
    inner join scenario_runs as runs using (lead_id, scenario, occurrence)
    where runs.state = 'ended' and runs.end_reason != 'finished'
)

select
    send_id,
    lead_id,
    scenario,
    occurrence,
    arg_min(
        kind,
        list_position(
            ['goal', 'deal', 'hot', 'segment', 'merged', 'step_removed', 'unknown_lead', 'consent'], kind
        )
    ) as reason,
from reasons
group by send_id, lead_id, scenario, occurrence
