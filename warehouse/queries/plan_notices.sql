-- One row per message to sales that is due and was not planned yet.
-- key: notice_id
-- from: handoffs, handoff_owners, notice_channels, causes, assigned, lead_aliases, notices
-- Every handoff gives one notice; so does an event the rules ask to be told of. Where one event does both, that of the
-- handoff tells it and the other is noted as cancelled, so that no later run tells it after all.
with handed_off as (
    select
        aliases.lead_id,
        handoffs.cause_event_id,
        handoffs.caused_at,
        handoffs.owner,
    from handoffs
    inner join warehouse.lead_aliases as aliases on handoffs.lead_id = aliases.alias_lead_id
),

uncalled as (
    select
        handoffs.*,
        -- whoever has left the rules can call nobody, and no other rep is to be told in passing
        coalesce(owners.owner, $first_manager, handoffs.owner) as rep,
        coalesce(owners.manager, $first_manager, handoffs.owner) as manager,
    from handoffs
    left join handoff_owners as owners on handoffs.owner = owners.owner
    where
        handoffs.status in ('new', 'accepted')
        and handoffs.first_contact_at is null
        -- while the SFA cannot be read, nobody knows who was called
        and $knows_calls
),

about_handoffs as (
    select
        'handoff' as kind,
        *,
        owner as recipient,
    from handoffs
    where handed_off_at = $as_of
    union all by name
    -- whoever comes too late with it says that the limit is over instead
    select
        'reminder' as kind,
        * exclude (rep, manager),
        rep as recipient,
    from uncalled
    where remind_at <= $as_of and due_at > $as_of
    union all by name
    select
        'escalation' as kind,
        * exclude (rep, manager),
        manager as recipient,
    from uncalled
    -- of what was seen late the manager is told at once
    where due_at <= $as_of and greatest(due_at, handed_off_at) + $recently > $as_of
    union all by name
    select
        'reassigned' as kind,
        *,
        owner as recipient,
    from handoffs
    where reassigned_at = $as_of
),

asked_for as (
    select
        'notify' as kind,
        causes.lead_id,
        causes.cause,
        causes.cause_event_id,
        null as handoff_id,
        coalesce(
            assigned.owner,
            (
                select arg_max(handed_off.owner, handed_off.caused_at)
                from handed_off
                where handed_off.lead_id = causes.lead_id
            )
        ) as owner,
        assigned.route,
        assigned.turn,
        case
            when exists (
                select 1
                from handed_off
                where handed_off.lead_id = causes.lead_id and handed_off.cause_event_id = causes.cause_event_id
            ) then 'cancelled'
            else 'planned'
        end as state,
    from causes
    left join assigned on concat_ws(chr(31), causes.lead_id, causes.cause_event_id) = assigned.seeker_id
    where causes.kind = 'notify'
),

told as (
    select
        kind,
        lead_id,
        cause,
        cause_event_id,
        handoff_id,
        owner,
        recipient,
        'planned' as state,
        -- one per handoff, but the notice of the handoff itself, which is named as it always was
        case kind when 'handoff' then concat_ws(chr(31), lead_id, cause_event_id, kind) else kind || handoff_id end
            as about,
    from about_handoffs
    union all by name
    select
        kind,
        lead_id,
        cause,
        cause_event_id,
        handoff_id,
        owner,
        owner as recipient,
        route,
        turn,
        state,
        concat_ws(chr(31), lead_id, cause_event_id, kind) as about,
    from asked_for
),

addressed as (
    select
        'mail' as way,
        about,
        * exclude (about),
    from told
    union all by name
    select
        'channel' as way,
        told.about || chr(31) || channels.channel as about,
        told.* exclude (about) replace (channels.channel as recipient),
    from told
    inner join notice_channels as channels on told.kind = channels.kind
    where told.state = 'planned'
)

select
    'N' || substr(md5(about), 1, 24) as notice_id,
    kind,
    way,
    recipient,
    lead_id,
    cause,
    cause_event_id,
    handoff_id,
    owner,
    route,
    turn,
    state,
    case state when 'cancelled' then 'handed_off' end as state_reason,
    $as_of as planned_at,
    $as_of as state_changed_at,
from addressed
where 'N' || substr(md5(about), 1, 24) not in (select notice_id from notices)
