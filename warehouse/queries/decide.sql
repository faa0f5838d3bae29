-- One row per due enrolment without a final decision: whether its mail goes out, or the one reason why not.
-- key: lead_id, scenario, step, occurrence
-- from: enrolments, send_decisions, sends, pauses, lead_aliases, leads, rule_steps, segment_members
with current_enrolments as (
    select
        enrolments.*,
        aliases.lead_id as current_lead_id,
        rule_steps.segment,
        rule_steps.stage,
        rule_steps.category,
        rule_steps.priority,
        rule_steps.is_enabled,
        send_decisions.decision as earlier_decision,
        coalesce(send_decisions.is_final, false) as is_decided,
        coalesce(send_decisions.decision = 'sent', false) as is_sent,
        row_number() over (
            partition by aliases.lead_id, enrolments.scenario, enrolments.step, enrolments.occurrence
            order by coalesce(send_decisions.is_final, false) desc, enrolments.triggered_at, enrolments.lead_id
        ) = 1 as is_first_of_lead,
    from enrolments
    left join warehouse.lead_aliases as aliases on enrolments.lead_id = aliases.alias_lead_id
    left join warehouse.rule_steps
        on enrolments.scenario = rule_steps.scenario and enrolments.step = rule_steps.step
    left join send_decisions
        on
            enrolments.lead_id = send_decisions.lead_id
            and enrolments.scenario = send_decisions.scenario
            and enrolments.step = send_decisions.step
            and enrolments.occurrence = send_decisions.occurrence
),

due as (
    select
        current_enrolments.*,
        leads.email,
        leads.is_suppressed,
        leads.is_opted_out,
        leads.consent_state,
        leads.stage as current_stage,
    from current_enrolments
    left join warehouse.leads on current_enrolments.current_lead_id = leads.lead_id
    where not current_enrolments.is_decided and current_enrolments.due_at <= $as_of
),

judged as (
    select
        due.*,
        case
            when due.priority is null or not due.is_enabled then 'step_removed'
            when due.is_suppressed is null then 'unknown_lead'
            when not due.is_first_of_lead then 'duplicate_address'
            when due.due_at + $expires_after < $as_of then 'expired'
            when due.stage is not null and due.stage != coalesce(due.current_stage, '') then 'exited'
            when not exists (
                select 1
                from warehouse.segment_members
                where
                    segment_members.segment = due.segment
                    and segment_members.lead_id = due.current_lead_id
                    and segment_members.left_at is null
            ) then 'exited'
            when due.email is null then 'no_address'
            when due.is_suppressed then 'suppressed'
            when due.category = 'marketing' and due.is_opted_out then 'opted_out'
            when due.category = 'marketing' and due.consent_state != 'consented' then 'no_consent'
            when exists (
                select 1
                from sends
                where
                    sends.scenario = due.scenario
                    and sends.step = due.step
                    and sends.occurrence = due.occurrence
                    and sends.email = due.email
            ) then 'duplicate_address'
            when exists (select 1 from pauses where pauses.scenario in ('*', due.scenario)) then 'paused'
        end as reason,
    from due
),

answers as (
    -- what one trigger event yields for a lead after one delay: mails that went, and those that could go now
    select current_lead_id, trigger_event_id, due_at, scenario, step, -1 as rank
    from current_enrolments
    where is_sent
    union all
    select current_lead_id, trigger_event_id, due_at, scenario, step, priority as rank
    from judged
    where reason is null or reason = 'paused'
),

firsts as (
    -- it yields one mail: one that went stays, else the step that stands first in the rules
    select
        current_lead_id,
        trigger_event_id,
        due_at,
        arg_min(scenario, (rank, scenario, step)) as scenario,
        arg_min(step, (rank, scenario, step)) as step,
    from answers
    group by current_lead_id, trigger_event_id, due_at
)

select
    'S' || substr(md5(concat_ws(chr(31), judged.lead_id, judged.scenario, judged.step, judged.occurrence)), 1, 24)
        as send_id,
    judged.lead_id,
    judged.scenario,
    judged.step,
    'default' as variant,
    judged.occurrence,
    coalesce(judged.segment, '') as segment,
    coalesce(judged.category, 'marketing') as category,
    judged.email,
    judged.due_at,
    judged.earlier_decision,
    case
        when
            (judged.reason is null or judged.reason = 'paused')
            and (firsts.scenario != judged.scenario or firsts.step != judged.step)
            then 'superseded'
        else coalesce(judged.reason, 'sent')
    end as decision,
from judged
left join firsts
    on
        judged.current_lead_id = firsts.current_lead_id
        and judged.trigger_event_id = firsts.trigger_event_id
        and judged.due_at = firsts.due_at
