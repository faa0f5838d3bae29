-- One row per lead with a mail due that has not been told yet whether it is of the holdout: whether it is.
-- key: lead_id
-- from: enrolments, sends, lead_aliases, holdout
-- By a hash of the lead and not by chance, so that a ledger lost and made anew tells the same. What was told once
-- holds, also for the lead that two become.
select distinct
    aliases.lead_id,
    -- the first 52 bits of the hash as a share of all; who has had mails, or is about to, is none to compare with
    (('0x' || substr(md5('holdout:' || aliases.lead_id), 1, 13))::bigint / 4503599627370496.0) < $share
    and aliases.lead_id not in (
        select mailed.lead_id
        from sends
        inner join warehouse.lead_aliases as mailed on sends.lead_id = mailed.alias_lead_id
        where sends.category = 'marketing' and sends.state not in ('cancelled', 'rejected')
    ) as is_held_out,
    $as_of as assigned_at,
    $share as share,
from enrolments
inner join warehouse.lead_aliases as aliases on enrolments.lead_id = aliases.alias_lead_id
where
    enrolments.due_at <= $as_of
    and aliases.lead_id not in (
        select known.lead_id
        from holdout
        inner join warehouse.lead_aliases as known on holdout.lead_id = known.alias_lead_id
    )
