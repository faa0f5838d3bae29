-- One row per lead, or name that one had, all of whose mails are looked at, since an identity differs.
-- key: lead_id
-- from: told_changes, lead_aliases
-- Mails may also be of somebody who was no lead when they were published, and is another's name now.
with renamed as (
    select id as lead_id
    from told_changes
    where table_name = 'lead_aliases'
)

select lead_id from renamed
union
select alias_lead_id as lead_id
from warehouse.lead_aliases
where lead_id in (select renamed.lead_id from renamed)
