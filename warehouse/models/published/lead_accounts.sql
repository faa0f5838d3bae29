-- One row per stretch of time in which a lead belonged to one company.
-- key: lead_id, entered_at
-- from: lead_accounts
select
    lead_id,
    account_id,
    valid_from as entered_at,
    nullif(valid_to, timestamptz 'infinity') as left_at,
from warehouse.lead_accounts
