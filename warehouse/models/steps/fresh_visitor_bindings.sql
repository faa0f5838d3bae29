-- One row per stretch of time in which a changed visitor's cookie belongs to one lead.
-- key: visitor, valid_from
-- from: visitor_ties, link_visits, scanner_clicks, send_addresses, changed_visitors, lead_identities
-- The first person known by a cookie takes its past too; the next person on the same browser takes what follows.
-- A link of a mail may have been handed on, so who opened a page by it is known less surely: as long as nobody is known
-- by the cookie, the lead whose mail's link was opened first takes what follows that visit, and nothing before it. What
-- a mail gateway opens tells of nobody.
with owned as (
    select
        visitor_ties.visitor,
        visitor_ties.occurred_at,
        coalesce(by_email.lead_id, by_id.lead_id) as lead_id,
    from visitor_ties
    semi join changed_visitors using (visitor)
    left join lead_identities as by_email on visitor_ties.email = by_email.value and by_email.kind = 'email'
    left join lead_identities as by_id on visitor_ties.external_id = by_id.value and by_id.kind = 'external_id'
),

instants as (
    -- two people in one instant: the lower id, so that the result does not hang on order
    select visitor, occurred_at, min(lead_id) as lead_id
    from owned
    where lead_id is not null
    group by visitor, occurred_at
),

changes as (
    select visitor, occurred_at, lead_id
    from instants
    qualify lead_id is distinct from lag(lead_id) over (partition by visitor order by occurred_at)
),

visited as (
    select
        link_visits.visitor,
        min_by(lead_identities.lead_id, (link_visits.occurred_at, lead_identities.lead_id)) as lead_id,
        min(link_visits.occurred_at) as occurred_at,
    from link_visits
    semi join changed_visitors using (visitor)
    anti join instants using (visitor)
    anti join scanner_clicks using (event_id)
    inner join send_addresses on link_visits.send_id = send_addresses.send_id
    inner join lead_identities on send_addresses.email = lead_identities.value and lead_identities.kind = 'email'
    group by link_visits.visitor
)

select
    visitor,
    lead_id,
    case
        when row_number() over by_time = 1 then timestamptz '-infinity'
        else occurred_at
    end as valid_from,
    coalesce(lead(occurred_at) over by_time, timestamptz 'infinity') as valid_to,
from changes
window by_time as (partition by visitor order by occurred_at)
union all
select visitor, lead_id, occurred_at as valid_from, timestamptz 'infinity' as valid_to
from visited
