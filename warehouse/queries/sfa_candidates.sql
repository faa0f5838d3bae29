-- One row per lead that differs from what was last compared with the SFA, on our side or on theirs.
-- key: lead_id
-- from: leads, lead_attributes, lead_aliases, segment_members, handoffs, sfa_leads, sfa_outbox, handoff_owners
with handed_off as (
    select
        aliases.lead_id,
        arg_max(handoffs.owner, handoffs.handed_off_at) as owner,
        max(handoffs.handed_off_at) as handed_off_at,
        -- from whom the last of them was taken at the second limit, and when
        unnest(arg_max(
            {'taken_from': handoffs.first_owner, 'taken_at': handoffs.reassigned_at}, handoffs.handed_off_at
        )),
    from handoffs
    inner join warehouse.lead_aliases as aliases on handoffs.lead_id = aliases.alias_lead_id
    group by aliases.lead_id
),

ours as (
    select
        leads.lead_id,
        leads.email,
        handed_off.owner,
        handed_off.taken_from,
        handed_off.taken_at,
        hash(
            leads.email, attributes.attributes, leads.score, leads.tier, leads.stage, leads.last_action_at,
            handed_off.owner
        ) as ours_hash,
    from warehouse.leads as leads
    left join warehouse.lead_attributes as attributes on leads.lead_id = attributes.lead_id
    left join handed_off on leads.lead_id = handed_off.lead_id
    where
        leads.email is not null
        and (
            handed_off.lead_id is not null
            or leads.lead_id in (
                select lead_id from warehouse.segment_members
                where segment = $segment and left_at is null
            )
        )
),

records as (
    -- of several records of one lead that which bears its id, or the first, stands for it
    select
        coalesce(aliases.lead_id, sfa_leads.lead_id) as current_lead_id,
        sfa_leads.*,
    from sfa_leads
    left join warehouse.lead_aliases as aliases on sfa_leads.lead_id = aliases.alias_lead_id
    left join handed_off on coalesce(aliases.lead_id, sfa_leads.lead_id) = handed_off.lead_id
    where
        sfa_leads.lead_id is not null
        -- who calls for sales after the record was deleted gets another
        and (sfa_leads.state != 'deleted' or coalesce(handed_off.handed_off_at < sfa_leads.modified_at, true))
    qualify row_number() over (
        partition by coalesce(aliases.lead_id, sfa_leads.lead_id)
        order by
            sfa_leads.state in ('deleted', 'merged'),
            sfa_leads.state = 'refused',
            sfa_leads.lead_id != coalesce(aliases.lead_id, sfa_leads.lead_id),
            sfa_leads.sfa_id
    ) = 1
)

select
    ours.lead_id,
    ours.email,
    ours.ours_hash,
    -- of what was refused before it was there, only that is noted
    case when not starts_with(records.sfa_id, 'refused:') then records.sfa_id end as sfa_id,
    records.modified_at,
    -- a clock that is ahead there must not keep a value of theirs from standing here now
    least(records.modified_at, $as_of) as theirs_at,
    coalesce(records.theirs, $nothing) as theirs,
    coalesce(records.agreed, $nothing) as agreed,
    coalesce(records.meant, $nothing) as meant,
    coalesce(records.waiting, $nothing) as waiting,
    records.written_at,
    coalesce(records.read_only, []) as read_only,
    -- an owner that sales has chosen stays; whoever did not call in time gives up the lead with the handoff, once
    case
        when records.owner is null then owners.sfa_user
        when records.owner = before.sfa_user and coalesce(records.written_at < ours.taken_at, ours.taken_at is not null)
            then owners.sfa_user
    end as owner,
from ours
left join records on ours.lead_id = records.current_lead_id
left join handoff_owners as owners on ours.owner = owners.owner
left join handoff_owners as before on ours.taken_from = before.owner
where
    (
        records.sfa_id is null
        or records.is_new_there
        or records.ours_hash is distinct from ours.ours_hash
        -- why it was refused may be corrected there, without the record's being touched
        or records.state = 'refused'
    )
    -- what was deleted there stays so, and of what was merged there the leads are not one here yet
    and coalesce(records.state not in ('deleted', 'merged'), true)
    -- until a value that was taken over has been recomputed, ours is the old one
    and (records.corrected_at is null or records.corrected_at < $recomputed_at)
    and ours.lead_id not in (select lead_id from sfa_outbox)
order by ours.owner is null, ours.lead_id
limit $most
