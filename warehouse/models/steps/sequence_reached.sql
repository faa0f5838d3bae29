-- One row per act that follows the step before it within the sequence's window.
-- key: question, lead_id, occurred_at
-- from: sequence_acts, sequence_before
select
    acts.question,
    acts.ended_within,
    acts.is_last,
    acts.lead_id,
    acts.occurred_at,
from sequence_acts as acts
asof inner join sequence_before as earlier
    on
        acts.question = earlier.question
        and acts.lead_id = earlier.lead_id
        and acts.occurred_at > earlier.occurred_at
where acts.occurred_at <= earlier.occurred_at + acts.lookback
