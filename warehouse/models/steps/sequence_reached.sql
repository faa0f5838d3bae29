-- One row per act of a lead in scope that follows the step before it, of those in sequence_before, within the window.
-- key: question, lead_id, event_id
-- from: lead_behaviours, rule_sequence_questions, sequence_before
with acts as (
    select
        questions.question,
        questions.lookback_us,
        questions.ended_within_us,
        questions.is_last,
        behaviours.lead_id,
        behaviours.event_id,
        behaviours.occurred_at,
    from lead_behaviours as behaviours
    inner join rule_sequence_questions as questions on behaviours.behaviour = questions.behaviour
    where
        questions.position = $position
        and not behaviours.is_machine and not behaviours.is_opt_out_click
        and behaviours.lead_id in (select lead_id from sequence_before)
)

select
    acts.question,
    acts.ended_within_us,
    acts.is_last,
    acts.lead_id,
    acts.event_id,
    acts.occurred_at,
from acts
asof inner join sequence_before as earlier
    on
        acts.question = earlier.question
        and acts.lead_id = earlier.lead_id
        and acts.occurred_at > earlier.occurred_at
where epoch_us(acts.occurred_at) <= epoch_us(earlier.occurred_at) + acts.lookback_us
