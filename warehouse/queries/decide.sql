-- One row per due enrolment without a final decision: whether its mail goes out, or the one reason why not.
-- key: lead_id, scenario, step, occurrence
-- from: enrolments, send_decisions, sends, pauses, lead_identities, leads, rule_steps, segment_members
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
    from enrolments
    left join (select distinct alias_lead_id, lead_id from warehouse.lead_identities) as aliases
        on enrolments.lead_id = aliases.alias_lead_id
    left join warehouse.rule_steps
        on enrolments.scenario = rule_steps.scenario and enrolments.step = rule_steps.step
    left join send_decisions
        on
            enrolments.lead_id = send_decisions.lead_id
            and enrolments.scenario = send_decisions.scenario
            and enrolments.step = send_decisions.step
            and enrolments.occurrence = send_decisions.occurrence
),

ranked as (
    select
        *,
        -- one trigger event yields one mail per lead and delay: a sent one stays, else the step that stands first wins
        first_value(step) over same_answer = step and first_value(scenario) over same_answer = scenario as is_first,
        row_number() over (
            partition by current_lead_id, scenario, step, occurrence
            order by is_decided desc, triggered_at, lead_id
        ) = 1 as is_first_of_lead,
    from current_enrolments
    window
        same_answer as (
            partition by current_lead_id, trigger_event_id, due_at
            order by is_sent desc, priority nulls last, scenario, step
        )
),

due as (
    select
        ranked.*,
        leads.email,
        leads.is_suppressed,
        leads.is_opted_out,
        leads.consent_state,
        leads.stage as current_stage,
    from ranked
    left join warehouse.leads on ranked.current_lead_id = leads.lead_id
    where not ranked.is_decided and ranked.due_at <= $as_of
)

select
    'S' || substr(md5(concat_ws(chr(31), due.lead_id, due.scenario, due.step, due.occurrence)), 1, 24) as send_id,
    due.lead_id,
    due.scenario,
    due.step,
    'default' as variant,
    due.occurrence,
    coalesce(due.segment, '') as segment,
    coalesce(due.category, 'marketing') as category,
    due.email,
    due.due_at,
    due.earlier_decision,
    case
        when due.priority is null or not due.is_enabled then 'step_removed'
        when due.is_suppressed is null then 'unknown_lead'
        when not due.is_first_of_lead then 'duplicate_address'
        when not due.is_first then 'superseded'
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
        else 'sent'
    end as decision,
from due
