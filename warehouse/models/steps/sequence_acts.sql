-- One row per act of a lead in scope that may be the step in question of a sequence.
-- key: question, lead_id, occurred_at
-- from: lead_behaviours, rule_sequence_questions
-- What came after what is told by every act, also by one that only repeats another and counts for no number.
select distinct
    questions.question,
    questions.lookback,
    questions.ended_within,
    questions.is_last,
    behaviours.lead_id,
    behaviours.occurred_at,
from lead_behaviours as behaviours
inner join rule_sequence_questions as questions on behaviours.behaviour = questions.behaviour
where
    questions.position = $position
    and not behaviours.is_machine and not behaviours.is_opt_out_click
