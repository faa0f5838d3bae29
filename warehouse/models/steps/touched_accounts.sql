-- One row per company of which a lead changed, or that a lead joined or left.
-- key: account_id
-- from: lead_accounts, touched_leads, old_accounts
select account_id from lead_accounts where lead_id in (select lead_id from touched_leads)
union
select account_id from old_accounts
