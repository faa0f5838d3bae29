-- One row per lead of whom anything may have changed: facts say so, it won or lost events, or an instant has passed at
-- which one of its windows, caps, expiries or decays moves.
-- key: lead_id
-- from: changed_people, placed_activity, losing_leads, lead_next_changes, renamed_leads, lead_suppressions, derivation
select lead_id from changed_people
union
select lead_id from placed_activity
union
select lead_id from losing_leads
union
select coalesce(renamed_leads.lead_id, lead_next_changes.lead_id) as lead_id
from lead_next_changes
left join renamed_leads on lead_next_changes.lead_id = renamed_leads.old_lead_id
where least(lead_next_changes.award_at, lead_next_changes.answer_at) <= $as_of
union
-- a rest after soft bounces is over
select coalesce(renamed_leads.lead_id, lead_suppressions.lead_id) as lead_id
from lead_suppressions
left join renamed_leads on lead_suppressions.lead_id = renamed_leads.old_lead_id
where lead_suppressions.until_at > (select max(as_of) from derivation) and lead_suppressions.until_at <= $as_of
