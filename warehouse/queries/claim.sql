-- One row per planned send of a batch, with what its mail shows and the reason, if any, why it may no longer go.
-- key: send_id
-- from: sends, lead_identities, leads, suppression_records, consent_records, events
-- Suppression stands here again because facts may have come in since the decision. What the last recompute saw is in
-- leads; facts of its instant or later are read as they are, by address.
with fresh as (
    select email, case blocks when 'all' then 'all' else 'marketing' end as blocks
    from warehouse.suppression_records
    where received_at >= $recomputed_at
    union all
    select email, 'marketing' as blocks
    from warehouse.consent_records
    where not is_granted and received_at >= $recomputed_at
    union all
    select email, case event_type when 'mail_unsubscribe' then 'marketing' else 'all' end as blocks
    from warehouse.events
    where event_type in ('mail_unsubscribe', 'mail_spam_report') and received_at >= $recomputed_at
)

select
    sends.send_id,
    sends.scenario,
    sends.step,
    sends.variant,
    sends.category,
    case
        when sends.due_at + $expires_after < $as_of then 'expired'
        when leads.lead_id is null then 'unknown_lead'
        when leads.is_suppressed then 'suppressed'
        when sends.category = 'marketing' and leads.is_opted_out then 'opted_out'
        when exists (
            select 1
            from fresh
            where fresh.email = sends.email and (fresh.blocks = 'all' or sends.category = 'marketing')
        ) then 'opted_out'
    end as stop_reason,
    leads.*,
    sends.email,
from sends
left join (select distinct alias_lead_id, lead_id from warehouse.lead_identities) as aliases
    on sends.lead_id = aliases.alias_lead_id
left join warehouse.leads on aliases.lead_id = leads.lead_id
where sends.state = 'planned' and sends.send_id in (select unnest($send_ids))
order by sends.send_id
