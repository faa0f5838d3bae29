-- One row per asked record of the SFA that is a lead's here, by its id or by its address: an address of that lead.
-- key: sfa_id
-- from: asked_records, sfa_leads, lead_aliases, leads, lead_identities
-- A record that was merged or converted stands for the one that took its place. A lead's own address comes first: that
-- of the record may be another's.
with standing as (
    select
        own.sfa_id,
        coalesce(kept.lead_id, own.lead_id) as lead_id,
        coalesce(kept.email, own.email) as email,
    from asked_records
    inner join sfa_leads as own on asked_records.sfa_id = own.sfa_id
    left join sfa_leads as kept on own.state = 'merged' and own.state_reason = kept.sfa_id
)

select
    standing.sfa_id,
    coalesce(leads.email, identities.value) as email,
from standing
left join warehouse.lead_aliases as aliases on standing.lead_id = aliases.alias_lead_id
left join warehouse.leads as leads on aliases.lead_id = leads.lead_id
left join warehouse.lead_identities as identities on identities.kind = 'email' and standing.email = identities.value
where coalesce(leads.email, identities.value) is not null
