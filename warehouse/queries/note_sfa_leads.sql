-- Notes people as the SFA has them now, and whether that is news.
-- from: told_leads, sfa_leads
-- A record that we said is another lead's stays so: not every SFA says it again. What sales merged into a record may
-- stand by itself again.
insert into sfa_leads by name
select
    told.sfa_id,
    told.lead_id,
    told.email,
    told.owner,
    told.modified_at,
    told.theirs,
    told.read_only,
    $nothing as agreed,
    case when told.is_ours then 'merged' else told.state end as state,
    case when told.is_ours then told.said_before else told.merged_into end as state_reason,
    true as is_new_there,
from (
    select
        told_leads.*,
        coalesce(told_leads.state = 'known' and known.state = 'merged' and kept.sfa_id is null, false) as is_ours,
        known.state_reason as said_before,
    from told_leads
    left join sfa_leads as known on told_leads.sfa_id = known.sfa_id
    left join sfa_leads as kept on known.state_reason = kept.sfa_id
) as told
on conflict (sfa_id) do update set
    lead_id = coalesce(sfa_leads.lead_id, excluded.lead_id),
    email = coalesce(excluded.email, sfa_leads.email),
    owner = excluded.owner,
    is_new_there = sfa_leads.is_new_there
    or sfa_leads.theirs is distinct from excluded.theirs
    or sfa_leads.state is distinct from excluded.state,
    modified_at = excluded.modified_at,
    theirs = excluded.theirs,
    read_only = excluded.read_only,
    state = excluded.state,
    state_reason = excluded.state_reason
