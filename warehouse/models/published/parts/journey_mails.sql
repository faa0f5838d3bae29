-- One row per lead of those whose journey is made anew, and scenario or mail: when it was mailed and clicked.
-- key: none
-- from: new_mails, old_lead_journeys, changed_journeys, receding_leads, leads_in_full, sends
-- Of most leads the times that their journey had stand for all mails that have not changed. Of those whose identity
-- differs every mail is made anew.
with receding as materialized (
    select lead_id
    from receding_leads
    where part = 'mails'
),

sought as materialized (
    select receding.lead_id
    from receding
    anti join leads_in_full on receding.lead_id = leads_in_full.lead_id
)

select current_lead_id, scenario, sent_at, delivered_at, clicked_at
from new_mails
where current_lead_id in (select changed_journeys.lead_id from changed_journeys)
union all
select
    lead_id as current_lead_id,
    unnest(scenarios) as scenario,
    mailed_at as sent_at,
    null as delivered_at,
    clicked_at,
from old_lead_journeys
where lead_id not in (select receding.lead_id from receding)
union all
select current_lead_id, scenario, sent_at, delivered_at, clicked_at
from fresh.main.sends
where current_lead_id in (select sought.lead_id from sought)
