-- Lets sends be tried again whose request may have left but was, by all evidence, not taken: the grace period is over
-- and the provider has meanwhile told of mails sent later, so its silence about these means something.
update sends
set state = 'planned', state_reason = 'released after no sign of acceptance', state_changed_at = $as_of
where
    state = 'unknown'
    and state_changed_at + $release_after < $as_of
    and state_changed_at + $release_after < (select max(processed_at) from warehouse.send_outcomes)
