-- One row per record of the SFA that was written or refused: how it stands now.
-- key: sfa_id
-- from: settling, sfa_leads
select
    settling.record_id as sfa_id,
    settling.lead_id,
    coalesce(known.email, settling.email) as email,
    coalesce(settling.owner, known.owner) as owner,
    -- when it was deleted is not told of one that is simply gone
    case when settling.verdict = 'gone' then $as_of::timestamptz else known.modified_at end as modified_at,
    case
        when settling.verdict = 'written' and known.sfa_id is not null
            then plain_map(map_concat(known.theirs, settling.given))
        when settling.verdict = 'written' then plain_map(settling.given)
        else coalesce(known.theirs, map {})
    end as theirs,
    case when settling.verdict = 'written' then settling.agreed else coalesce(known.agreed, map {}) end as agreed,
    case
        when settling.merged_into is not null then 'merged'
        when settling.verdict = 'written' then 'known'
        when settling.verdict = 'gone' then 'deleted'
        else 'refused'
    end as state,
    coalesce(settling.merged_into, settling.message) as state_reason,
    case when settling.has_correction then $as_of::timestamptz else known.corrected_at end as corrected_at,
    case when settling.verdict = 'written' then $as_of::timestamptz else known.written_at end as written_at,
    settling.ours_hash,
    false as is_new_there,
from settling
left join sfa_leads as known on settling.record_id = known.sfa_id
