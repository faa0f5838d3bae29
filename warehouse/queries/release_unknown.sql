-- Lets sends be tried again whose request may have left but was, by all evidence, not taken. The grace period is over,
-- and one of two silences means something by now: the provider has meanwhile told of mails sent later, or its logs were
-- asked after the grace period, know nothing of the send, and do know mails from before it and from after its grace.
-- What the logs themselves told is no sign that events come in by themselves; and what they once knew was taken. Where
-- logs can be asked at all, none is released by the first silence alone: each has its turn to be looked for there.
update sends
set state = 'planned', state_reason = 'released after no sign of acceptance', state_changed_at = $as_of
where
    state = 'unknown'
    and state_changed_at + $release_after < $as_of
    and not exists (select 1 from log_lookups where log_lookups.send_id = sends.send_id and log_lookups.is_found)
    and (
        (
            state_changed_at + $release_after < (
                select max(processed_at)
                from warehouse.send_outcomes
                where send_id not in (select found.send_id from log_lookups as found where found.is_found)
            )
            and (
                not exists (select 1 from log_lookups)
                or exists (
                    select 1
                    from log_lookups
                    where
                        log_lookups.send_id = sends.send_id
                        and log_lookups.asked_at > sends.state_changed_at + $release_after
                )
            )
        )
        or exists (
            select 1
            from log_lookups
            where
                log_lookups.send_id = sends.send_id
                and log_lookups.is_silence_proof
                and log_lookups.asked_at > sends.state_changed_at + $release_after
        )
    )
