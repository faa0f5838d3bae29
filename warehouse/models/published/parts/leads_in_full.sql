-- One row per lead that was published before and all of whose mails are looked at, since its identity differs.
-- key: lead_id
-- from: lead_journeys, told_changes
select lead_id
from lead_journeys
where lead_id in (
    select told_changes.id
    from told_changes
    where told_changes.table_name = 'lead_aliases'
)
