-- One row per lead in scope whose awards will change without a new fact, with when they do next.
-- key: lead_id
-- from: award_steps
select lead_id, min(instant) as award_at
from award_steps
where instant > $as_of and isfinite(instant)
group by lead_id
