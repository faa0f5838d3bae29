-- One row per candidate and field: what stands on each side, and whose value is to stand on both.
-- key: lead_id, field
-- from: sfa_candidates, sfa_rule_fields, leads, lead_attributes, lead_attribute_history, lead_identities,
--       lead_score_points, rule_scoring, sfa_leads
-- A change is measured from what both sides last agreed on. An empty value never wins over one that is there. What only
-- the engine writes is written when it changes here, whatever the SFA makes of it. What sales wrote and cannot stand
-- here, since it does not fit its field or is another lead's address, waits: each side keeps its own.
with reasons as (
    select
        lead_id,
        array_to_string(
            list(label || '(' || printf('%+d', points) || ')' order by occurred_at desc, event_id)[1:3], '、'
        ) as top_reasons,
    from (
        select
            points.lead_id,
            points.event_id,
            points.occurred_at,
            points.points,
            rule_scoring.label,
        from warehouse.lead_score_points as points
        inner join warehouse.rule_scoring as rule_scoring on points.rule = rule_scoring.rule
        semi join sfa_candidates on points.lead_id = sfa_candidates.lead_id
    )
    group by lead_id
),

kept as (
    select
        candidates.lead_id,
        map {
            'email': leads.email,
            'score': leads.score::varchar,
            'tier': leads.tier,
            'stage': leads.stage,
            'last_action_at': strftime(timezone('UTC', leads.last_action_at), '%Y-%m-%dT%H:%M:%S+00:00'),
            'top_reasons': reasons.top_reasons
        } as kept,
    from sfa_candidates as candidates
    inner join warehouse.leads as leads on candidates.lead_id = leads.lead_id
    left join reasons on candidates.lead_id = reasons.lead_id
),

sides as (
    select
        candidates.lead_id,
        candidates.sfa_id,
        candidates.email,
        candidates.theirs_at,
        fields.field,
        fields.rule,
        fields.type,
        fields.allowed,
        candidates.written_at,
        nullif(trim(coalesce(kept.kept[fields.field], attributes.attributes[fields.field])), '') as ours,
        nullif(trim(candidates.theirs[fields.field]), '') as theirs,
        candidates.agreed[fields.field] as agreed,
        candidates.meant[fields.field] as meant,
        candidates.waiting[fields.field] as waiting,
        list_contains(candidates.read_only, fields.field) as is_read_only,
    from sfa_candidates as candidates
    cross join sfa_rule_fields as fields
    inner join kept on candidates.lead_id = kept.lead_id
    left join warehouse.lead_attributes as attributes on candidates.lead_id = attributes.lead_id
),

-- ours as the SFA can hold it
fitted as (
    select
        *,
        case when ours = meant then agreed else ours end as ours_there,
    from sides
),

differing as (
    select
        sides.*,
        coalesce(sides.ours_there, '') != coalesce(sides.agreed, '') as is_ours_changed,
        coalesce(sides.theirs, '') != coalesce(sides.agreed, '') as is_theirs_changed,
    from fitted as sides
    where
        coalesce(sides.ours_there, '')
        != coalesce(case sides.rule when 'ours' then sides.agreed else sides.theirs end, '')
        -- an address that another record bears stays there: not every SFA takes one twice
        and not (
            sides.field = 'email'
            and sides.sfa_id is not null
            and exists(
                select 1
                from sfa_leads as others
                where
                    others.email = sides.ours
                    and others.sfa_id != sides.sfa_id
                    and others.state in ('known', 'merged')
            )
        )
),

dated as (
    select
        differing.*,
        coalesce(history.valid_from, identities.first_seen_at) as ours_at,
    from differing
    left join warehouse.lead_attribute_history as history
        on
            differing.lead_id = history.lead_id
            and differing.field = history.field
            and history.valid_to = timestamptz 'infinity'
    left join warehouse.lead_identities as identities
        on differing.field = 'email' and identities.kind = 'email' and differing.ours = identities.value
),

judged as (
    select
        *,
        case
            when rule = 'ours' then 'push'
            when theirs is null then 'push'
            when ours is null then 'take'
            when is_ours_changed and not is_theirs_changed then 'push'
            when is_theirs_changed and not is_ours_changed then 'take'
            when rule = 'ma' then 'push'
            when rule = 'sfa' then 'take'
            -- of two changes at one instant the person's stands
            when ours_at > theirs_at then 'push'
            else 'take'
        end as wanted,
    from dated
),

decided as (
    select
        judged.*,
        case
            -- what cannot be written, and what cannot stand here, stays as it is on both sides
            when judged.wanted = 'push' and judged.is_read_only then 'leave'
            when judged.wanted = 'push' or judged.type = 'text' then judged.wanted
            when
                judged.type = 'email'
                -- two leads are not one for it
                and load_is_address(lower(judged.theirs))
                and coalesce(others.lead_id, judged.lead_id) = judged.lead_id
                then 'take'
            when
                judged.type != 'email'
                and load_fitting(judged.plain, judged.type, judged.allowed, null, null, 'UTC') is not null
                and len(
                    load_unknown_parts(
                        load_parts(judged.plain, judged.type, judged.allowed), judged.type, judged.allowed
                    )
                )
                = 0
                then 'take'
            else 'wait'
        end as act,
    from (select *, trim(load_normal(theirs)) as plain from judged) as judged
    left join warehouse.lead_identities as others
        on judged.type = 'email' and others.kind = 'email' and lower(judged.theirs) = others.value
)

select
    sides.lead_id,
    sides.sfa_id,
    sides.email,
    sides.field,
    sides.rule,
    sides.ours,
    sides.theirs,
    sides.agreed,
    decided.ours_at,
    sides.theirs_at,
    coalesce(decided.act, 'same') as act,
    -- what both sides agree on once it is done
    case coalesce(decided.act, 'same')
        when 'take' then sides.theirs
        when 'push' then sides.ours
        when 'same' then sides.ours_there
        else sides.agreed
    end as stands,
    -- of a record that was never compared neither side is known to have changed what the other has
    case
        when decided.act = 'wait' then coalesce(sides.theirs != sides.waiting, true)
        when decided.act in ('push', 'take')
            then
                sides.rule != 'ours'
                and sides.theirs is not null
                and sides.ours is not null
                and decided.is_theirs_changed
                and decided.is_ours_changed
        else false
    end as is_conflict,
    sides.written_at,
from fitted as sides
left join decided on sides.lead_id = decided.lead_id and sides.field = decided.field
