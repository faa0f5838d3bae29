-- One row per handoff that nobody has yet, or notice that nobody gets yet, with the route that fits its lead and who
-- had the lead before.
-- key: seeker_id
-- from: seekers, handoffs, notices, lead_aliases, segment_members, handoff_routes, handoff_owners, sfa_leads
with waiting as (
    select
        seekers.seeker_id,
        seekers.caused_at,
        coalesce(aliases.lead_id, seekers.lead_id) as lead_id,
        -- a person has one rep: of several handoffs of one lead the first decides who gets them all
        first_value(seekers.seeker_id) over (
            partition by coalesce(aliases.lead_id, seekers.lead_id)
            order by seekers.caused_at, seekers.seeker_id
        ) as first_seeker_id,
    from seekers
    left join warehouse.lead_aliases as aliases on seekers.lead_id = aliases.alias_lead_id
),

routed as (
    select
        waiting.seeker_id,
        arg_min(routes.route, routes.position) as route,
    from waiting
    inner join warehouse.segment_members as members
        on
            waiting.lead_id = members.lead_id
            and (
                members.left_at is null
                or (members.entered_at <= waiting.caused_at and waiting.caused_at < members.left_at)
            )
    inner join handoff_routes as routes on members.segment = routes.segment
    group by waiting.seeker_id
),

had_before as (
    select
        waiting.seeker_id,
        handoffs.owner,
        1 as precedence,
        handoffs.handed_off_at as since,
    from waiting
    inner join warehouse.lead_aliases as aliases on waiting.lead_id = aliases.lead_id
    inner join handoffs on aliases.alias_lead_id = handoffs.lead_id
    where handoffs.owner != ''
    union all
    -- whoever was told of a lead that is nobody's is told of it again
    select
        waiting.seeker_id,
        notices.owner,
        0 as precedence,
        notices.planned_at as since,
    from waiting
    inner join warehouse.lead_aliases as aliases on waiting.lead_id = aliases.lead_id
    inner join notices on aliases.alias_lead_id = notices.lead_id
    where $is_notice and notices.kind = 'notify' and notices.way = 'mail'
    union all
    -- whoever the SFA says owns the lead comes first
    select
        waiting.seeker_id,
        owners.owner,
        2 as precedence,
        sfa_leads.modified_at as since,
    from waiting
    inner join warehouse.lead_aliases as aliases on waiting.lead_id = aliases.lead_id
    inner join sfa_leads on aliases.alias_lead_id = sfa_leads.lead_id and sfa_leads.state = 'known'
    inner join handoff_owners as owners on sfa_leads.owner = owners.sfa_user
)

select
    waiting.seeker_id,
    waiting.first_seeker_id,
    waiting.caused_at,
    routed.route,
    arg_max(owners.owner, (had_before.precedence, had_before.since)) as owner_before,
from waiting
left join routed on waiting.seeker_id = routed.seeker_id
left join had_before on waiting.seeker_id = had_before.seeker_id
left join handoff_owners as owners on had_before.owner = owners.owner and not owners.is_absent
group by waiting.seeker_id, waiting.first_seeker_id, waiting.caused_at, routed.route
