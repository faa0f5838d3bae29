-- One row per lead of which something will change without a new fact, with when it does next: an award by expiry or
-- decay, an answer by a window.
-- key: lead_id
-- from: lead_answers, award_instants
with answers as (
    select
        lead_id,
        min(
            least(
                case when from_at > $as_of then from_at else timestamptz 'infinity' end,
                case when to_at > $as_of then to_at else timestamptz 'infinity' end
            )
        ) as answer_at,
    from lead_answers
    where to_at > $as_of
    group by lead_id
    having isfinite(answer_at)
)

select
    coalesce(award_instants.lead_id, answers.lead_id) as lead_id,
    award_instants.award_at,
    answers.answer_at,
from award_instants
full join answers on award_instants.lead_id = answers.lead_id
