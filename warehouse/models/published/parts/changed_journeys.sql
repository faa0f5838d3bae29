-- One row per lead whose way from the first contact to a deal may differ from that of the publication before.
-- key: lead_id
-- from: told_changes, turned_leads, receding_leads, changed_segment_members, new_mails, journeys_at_hand
select id as lead_id
from told_changes
where table_name in ('lead_activity', 'lead_starts', 'lead_first_records')
union
select lead_id
from turned_leads
union
select lead_id
from receding_leads
union
select members.lead_id
from changed_segment_members as members
left join journeys_at_hand as journeys on members.lead_id = journeys.lead_id
where members.times > 0 and list_contains(journeys.segments, members.segment) is distinct from true
union
select mails.current_lead_id as lead_id
from new_mails as mails
left join journeys_at_hand as journeys on mails.current_lead_id = journeys.lead_id
where
    (
        coalesce(mails.sent_at, mails.delivered_at) is not null
        and (
            list_contains(journeys.scenarios, mails.scenario) is distinct from true
            or coalesce(mails.sent_at, mails.delivered_at) < journeys.mailed_at
        )
    )
    or mails.clicked_at < coalesce(journeys.clicked_at, timestamptz 'infinity')
