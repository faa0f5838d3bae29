-- One row per company that any lead belongs to now.
-- key: account_id
-- from: accounts
select account_id, name, corporate_number, domains, leads, score, last_action_at
from warehouse.accounts
