-- One row per name of a lead with a mail to decide on: which part its mails are decided on in.
-- key: lead_id
-- from: undecided, lead_aliases
-- A lead's mails are those of all its names, and decided on together.
select
    lead_id,
    current_lead_id,
    hash(current_lead_id) % $parts::ubigint as part,
    current_lead_id in (
        select names.lead_id from warehouse.lead_aliases as names where names.alias_lead_id != names.lead_id
    ) as is_merged,
from (
    select lead_id, current_lead_id from undecided
    union
    select names.alias_lead_id as lead_id, undecided.current_lead_id
    from undecided
    inner join warehouse.lead_aliases as names on undecided.current_lead_id = names.lead_id
)
