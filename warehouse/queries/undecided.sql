-- One row per enrolment that is due and has no final decision yet.
-- key: lead_id, scenario, step, occurrence
-- from: enrolments, send_decisions, lead_aliases
-- A lead's mails are decided on together, by whatever name it has.
select
    enrolments.lead_id,
    enrolments.scenario,
    enrolments.step,
    enrolments.occurrence,
    enrolments.due_at,
    coalesce(enrolments.entered_at, enrolments.triggered_at) as since_at,
    hash(coalesce(aliases.lead_id, enrolments.lead_id)) as together,
from enrolments
left join warehouse.lead_aliases as aliases on enrolments.lead_id = aliases.alias_lead_id
anti join (select * from send_decisions where is_final) as final
    on
        enrolments.lead_id = final.lead_id
        and enrolments.scenario = final.scenario
        and enrolments.step = final.step
        and enrolments.occurrence = final.occurrence
where enrolments.due_at <= $as_of
