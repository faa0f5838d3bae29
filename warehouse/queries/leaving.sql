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
    -- what is looked for in large tables is narrowed to those who are asked for, who are few or none
    select asked.*
    from asked
    semi join (
        select lead_id, behaviour, occurred_at
        from warehouse.lead_behaviours
        where
            -- once is enough, also where it gives no points again
            not is_machine
            and lead_id in (select asked.current_lead_id from asked where asked.kind = 'goal')
    ) as acts
        on
            asked.current_lead_id = acts.lead_id
            and asked.behaviour = acts.behaviour
            and asked.since_at < acts.occurred_at
    where asked.kind = 'goal'
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
    where asked.kind = 'hot' and asked.tier = leads.tier
    union all
    select asked.*
    from asked
    inner join warehouse.leads on asked.current_lead_id = leads.lead_id
    -- who never had it comes to a first mail, which says so
    semi join (
        select lead_id, scenario, occurrence
        from send_decisions
        where is_final and lead_id in (select asked.lead_id from asked where asked.kind = 'consent')
    ) as mailed
        on
            asked.lead_id = mailed.lead_id
            and asked.scenario = mailed.scenario
            and asked.occurrence = mailed.occurrence
    where asked.kind = 'consent' and (leads.is_suppressed or leads.step_refusal is not null)
    union all
    select asked.*
    from asked
    anti join (
        select segment, lead_id
        from warehouse.segment_members
        where left_at is null and lead_id in (select asked.current_lead_id from asked where asked.kind = 'segment')
    ) as members
        on asked.segment = members.segment and asked.current_lead_id = members.lead_id
    where asked.kind = 'segment'
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
