-- One row per lead of those whose journey is made anew whose first contact may be another than was published.
-- key: lead_id
-- from: changed_journeys, old_lead_journeys, told_changes
select lead_id
from changed_journeys
where
    lead_id not in (select old_lead_journeys.lead_id from old_lead_journeys)
    or lead_id in (
        select told_changes.id
        from told_changes
        where told_changes.table_name in ('lead_activity', 'lead_starts', 'lead_first_records', 'lead_aliases')
    )
