-- One row per enrolment that is due and has no final decision yet.
-- key: send_id
-- from: enrolments, send_decisions, lead_aliases
select
    enrolments.send_id,
    enrolments.lead_id,
    enrolments.scenario,
    enrolments.step,
    enrolments.occurrence,
    enrolments.due_at,
    coalesce(enrolments.entered_at, enrolments.triggered_at) as since_at,
    coalesce(aliases.lead_id, enrolments.lead_id) as current_lead_id,
from enrolments
left join warehouse.lead_aliases as aliases on enrolments.lead_id = aliases.alias_lead_id
anti join (select * from send_decisions where is_final) as final
    on enrolments.send_number = final.send_number
where enrolments.due_at <= $as_of
