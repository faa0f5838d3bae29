-- One row per act of a lead in scope that may be the first step of a sequence.
-- key: question, lead_id, event_id
-- from: lead_behaviours, rule_sequence_questions
-- What came after what is told by every act, also by one that only repeats another and counts for no number.
select
    questions.question,
    behaviours.lead_id,
    behaviours.event_id,
    behaviours.occurred_at,
from lead_behaviours as behaviours
inner join rule_sequence_questions as questions on behaviours.behaviour = questions.behaviour
where questions.position = 1 and not behaviours.is_machine and not behaviours.is_opt_out_click
