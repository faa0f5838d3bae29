-- One row per planned send of a batch, with what its mail shows and the reason, if any, why it may no longer go.
-- key: send_id
-- from: sends, lead_aliases, lead_identities, leads, rule_steps, segment_members, suppression_records, consent_records,
--       events
-- A send may have waited since it was decided: stage, segment and step are looked at again. Suppression stands here
-- again because facts may have come in since. What the last recompute saw is in leads; facts of its instant or later
-- are read as they are, and hold for the whole lead and for the address.
with fresh as (
    select email, external_id, blocks
    from warehouse.suppression_records
    where received_at >= $recomputed_at
    union all
    select email, external_id, 'marketing' as blocks
    from warehouse.consent_records
    where not is_granted and received_at >= $recomputed_at
    union all
    -- an event may name the send alone; the ledger knows whom that went to, the facts perhaps not yet
    select
        coalesce(events.email, told.email) as email,
        events.external_id,
        case events.event_type when 'mail_unsubscribe' then 'marketing' else 'all' end as blocks,
    from warehouse.events
    left join sends as told on events.send_id = told.send_id
    where
        (
            events.event_type in ('mail_unsubscribe', 'mail_spam_report')
            or (events.event_type = 'mail_bounce' and coalesce(events.properties['type'], 'bounce') != 'blocked')
        )
        and (
            events.received_at >= $recomputed_at
            or (
                events.email is null
                and not exists (
                    select 1
                    from warehouse.events as back
                    where
                        back.event_type = 'mail_resubscribe'
                        and back.email = told.email
                        and back.occurred_at > events.occurred_at
                )
            )
        )
),

fresh_of_leads as (
    select lead_identities.lead_id, fresh.blocks
    from fresh
    inner join warehouse.lead_identities on lead_identities.identity = 'email:' || fresh.email
    union
    select lead_identities.lead_id, fresh.blocks
    from fresh
    inner join warehouse.lead_identities on lead_identities.identity = 'id:' || fresh.external_id
)

select
    sends.send_id,
    sends.email,
    case
        when rule_steps.step is null or not rule_steps.is_enabled then 'step_removed'
        when sends.due_at + $expires_after < $as_of then 'expired'
        -- two leads that were one person all along: whichever mail went first, or stands first, is the one
        when exists (
            select 1
            from sends as twin
            left join warehouse.lead_aliases as twin_aliases on twin.lead_id = twin_aliases.alias_lead_id
            where
                twin.scenario = sends.scenario
                and twin.step = sends.step
                and twin.occurrence = sends.occurrence
                and twin.send_id != sends.send_id
                and (twin.email = sends.email or twin_aliases.lead_id = aliases.lead_id)
                and (
                    twin.state not in ('planned', 'cancelled', 'rejected')
                    or (twin.state = 'planned' and twin.send_id < sends.send_id)
                )
        ) then 'duplicate_address'
        when leads.lead_id is null then 'unknown_lead'
        when leads.is_suppressed then 'suppressed'
        when sends.category = 'marketing' and leads.is_opted_out then 'opted_out'
        when exists (
            select 1
            from fresh_of_leads
            where
                fresh_of_leads.lead_id = leads.lead_id
                and (fresh_of_leads.blocks = 'all' or sends.category = 'marketing')
        ) then 'opted_out'
        when exists (
            select 1
            from fresh
            where fresh.email = sends.email and (fresh.blocks = 'all' or sends.category = 'marketing')
        ) then 'opted_out'
        when sends.category = 'marketing' and leads.consent_state != 'consented' then 'no_consent'
        when rule_steps.stage is not null and rule_steps.stage != coalesce(leads.stage, '') then 'exited'
        when not exists (
            select 1
            from warehouse.segment_members
            where
                segment_members.segment = rule_steps.segment
                and segment_members.lead_id = leads.lead_id
                and segment_members.left_at is null
        ) then 'exited'
    end as stop_reason,
    leads as lead,
from sends
left join warehouse.lead_aliases as aliases on sends.lead_id = aliases.alias_lead_id
left join warehouse.leads on aliases.lead_id = leads.lead_id
left join warehouse.rule_steps on sends.scenario = rule_steps.scenario and sends.step = rule_steps.step
where sends.state = 'planned' and sends.send_id in (select unnest($send_ids))
order by sends.send_id
