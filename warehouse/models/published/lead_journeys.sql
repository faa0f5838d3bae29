-- One row per lead: when it first came to each step from the first contact to a deal won.
-- key: lead_id
-- from: scope_leads, scope_activity, scope_first_records, segment_members, lead_tier_changes, sends, handoffs, deals
-- Every input is joined by the lead alone, so a few leads may be made anew by themselves. The first contact is the
-- first thing known of the lead, also what a browser saw before anybody knew whose it was; its source is that of the
-- record or event that tells of it, of several of one instant the first by name. Steps do not wait for one another:
-- somebody may be handed off who was never hot, and buy without a handoff.
with mailed as (
    -- scenario by scenario first: lists of all mails of all leads are large
    select
        current_lead_id as lead_id,
        scenario,
        -- a delivery proves that the mail left, where the answer to its request got lost
        min(coalesce(sent_at, delivered_at)) as mailed_at,
        min(clicked_at) as clicked_at,
    from sends
    group by current_lead_id, scenario
),

mails as (
    select
        lead_id,
        min(mailed.mailed_at) as mailed_at,
        min(mailed.clicked_at) as clicked_at,
        list_sort(list(mailed.scenario) filter (mailed.mailed_at is not null)) as scenarios,
    from mailed
    group by lead_id
),

stays as (
    select distinct lead_id, segment
    from segment_members
),

belonged as (
    select
        lead_id,
        list_sort(list(segment)) as segments,
    from stays
    group by lead_id
),

heat as (
    select
        lead_id,
        min(changed_at) as hot_at,
    from lead_tier_changes
    where to_tier = 'hot'
    group by lead_id
),

sales as (
    select
        current_lead_id as lead_id,
        min(handed_off_at) as handed_off_at,
        -- by a clock that is ahead, sales has done what is yet to come
        min(first_contact_at) filter (first_contact_at <= $as_of) as contacted_at,
        min(met_at) filter (met_at <= $as_of) as met_at,
    from handoffs
    group by current_lead_id
),

bought as (
    select
        lead_id,
        min(created_at) as deal_at,
        min(won_at) filter (status = 'won') as won_at,
        count(*) filter (status = 'won') as deals_won,
        sum(amount) filter (status = 'won') as amount,
    from deals
    group by lead_id
)

select
    leads.lead_id,
    case
        when activity.first_at = records.known_at then least(activity.first_source, records.source)
        when records.known_at is null or activity.first_at < records.known_at then activity.first_source
        else records.source
    end as source,
    leads.created_at as first_contact_at,
    mails.mailed_at,
    mails.clicked_at,
    heat.hot_at,
    sales.handed_off_at,
    sales.contacted_at,
    sales.met_at,
    bought.deal_at,
    bought.won_at,
    coalesce(bought.deals_won, 0) as deals_won,
    coalesce(bought.amount, 0)::decimal(18, 2) as amount,
    coalesce(belonged.segments, []) as segments,
    coalesce(mails.scenarios, []) as scenarios,
from scope_leads as leads
left join scope_activity as activity on leads.lead_id = activity.lead_id
left join scope_first_records as records on leads.lead_id = records.lead_id
left join mails on leads.lead_id = mails.lead_id
left join belonged on leads.lead_id = belonged.lead_id
left join heat on leads.lead_id = heat.lead_id
left join sales on leads.lead_id = sales.lead_id
left join bought on leads.lead_id = bought.lead_id
