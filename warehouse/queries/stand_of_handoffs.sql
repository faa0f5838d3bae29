-- Brings handoffs to where the latest of their changes leaves them.
-- from: handoffs, handoff_changes
with changed as (
    select
        handoff_id,
        bool_and(source = 'sfa') as is_all_of_sfa,
    from handoff_changes
    where noted_at = $as_of
    group by handoff_id
),

stands as (
    select
        changes.handoff_id,
        arg_max(changes.status, (changes.changed_at, changes.noted_at)) filter (changes.status is not null) as status,
        -- only sales says what came of it; whoever answers by a link is not asked
        arg_max_null(changes.outcome, (changes.changed_at, changes.noted_at)) filter (changes.source = 'sfa')
            as outcome,
        arg_max_null(changes.reject_reason, (changes.changed_at, changes.noted_at)) filter (
            changes.status is not null
        ) as reject_reason,
        arg_max(changes.owner, (changes.changed_at, changes.noted_at)) as owner,
        arg_max(changes.source, (changes.changed_at, changes.noted_at)) = 'sfa' and bool_and(changed.is_all_of_sfa)
            as is_known_there,
        -- who says that it was called and not when, called when it was said
        min(
            coalesce(
                changes.first_contact_at,
                case when changes.status in ('contacted', 'meeting', 'won', 'lost') then changes.changed_at end
            )
        ) as first_contact_at,
    from handoff_changes as changes
    inner join changed on changes.handoff_id = changed.handoff_id
    group by changes.handoff_id
),

said as (
    -- every handoff begins as new
    select
        changes.handoff_id,
        changes.status,
        changes.changed_at,
        lag(changes.status, 1, 'new') over (
            partition by changes.handoff_id
            order by changes.changed_at, changes.noted_at
        ) as status_before,
    from handoff_changes as changes
    semi join changed on changes.handoff_id = changed.handoff_id
    where changes.status is not null
),

since as (
    -- who says once more what stands changes nothing
    select
        handoff_id,
        max(changed_at) as status_changed_at,
    from said
    where status != status_before
    group by handoff_id
)

update handoffs
set
    status = coalesce(stands.status, handoffs.status),
    outcome = stands.outcome,
    reject_reason = stands.reject_reason,
    owner = coalesce(stands.owner, handoffs.owner),
    first_contact_at = coalesce(handoffs.first_contact_at, stands.first_contact_at),
    status_changed_at = coalesce(since.status_changed_at, handoffs.handed_off_at),
    -- the SFA has to learn what it did not say itself
    written_at = case when stands.is_known_there then handoffs.written_at end
from stands
left join since on stands.handoff_id = since.handoff_id
where handoffs.handoff_id = stands.handoff_id
