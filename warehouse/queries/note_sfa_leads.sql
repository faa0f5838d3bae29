-- Notes people as the SFA has them now, and whether that is news.
-- from: told_leads, sfa_leads
insert into sfa_leads by name
select
    sfa_id,
    lead_id,
    email,
    owner,
    modified_at,
    theirs,
    $nothing as agreed,
    state,
    merged_into as state_reason,
    true as is_new_there,
from told_leads
on conflict (sfa_id) do update set
    lead_id = coalesce(sfa_leads.lead_id, excluded.lead_id),
    email = coalesce(excluded.email, sfa_leads.email),
    owner = excluded.owner,
    is_new_there = sfa_leads.is_new_there
    or sfa_leads.theirs is distinct from excluded.theirs
    or sfa_leads.state is distinct from excluded.state,
    modified_at = excluded.modified_at,
    theirs = excluded.theirs,
    state = excluded.state,
    state_reason = excluded.state_reason
