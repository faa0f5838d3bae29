-- One row per change of a lead's purchase stage, the first one from nothing, with what caused it.
-- key: lead_id, changed_at
-- from: stage_moves, rule_stages
-- Forward is the way of all stages; back only as a rule says. Of moves in one instant those back come first. Leads that
-- never move back need no walk: their stage is the furthest they came to.
with forward_only as (
    select *
    from stage_moves
    anti join (select moves.lead_id from stage_moves as moves where moves.is_back) as moved_back using (lead_id)
),

furthest as (
    select
        lead_id,
        instant,
        position,
        cause,
        cause_event_id,
    from forward_only
    qualify row_number() over (partition by lead_id, instant order by position desc, cause, cause_event_id) = 1
),

advances as (
    select lead_id, instant, position, cause, cause_event_id
    from furthest
    qualify
        position > coalesce(
            max(position) over (
                partition by lead_id order by instant rows between unbounded preceding and 1 preceding
            ),
            0
        )
),

walked as (
    select
        lead_id,
        list_reduce(  -- noqa: PRS
            list_transform(
                list(
                    {
                        'instant': instant,
                        'is_back': is_back,
                        'position': position,
                        'leaving': leaving,
                        'cause': cause,
                        'cause_event_id': cause_event_id
                    }
                    order by instant, is_back desc, position, cause, cause_event_id
                ),
                lambda move: [move]
            ),
            lambda made, next_move: case
                when not next_move[1].is_back and next_move[1].position > made[-1].position then made || next_move
                when
                    next_move[1].is_back
                    and next_move[1].position < made[-1].position
                    and (
                        len(next_move[1].leaving) = 0
                        or list_contains(next_move[1].leaving, made[-1].position)
                    )
                    then made || next_move
                else made
            end
        ) as moves,
    from stage_moves
    semi join (select moves.lead_id from stage_moves as moves where moves.is_back) as moved_back using (lead_id)
    group by lead_id
),

steps as (
    select
        lead_id,
        unnest(moves) as move,
        unnest(range(len(moves))) as number,
    from walked
),

positions as (
    select lead_id, instant as changed_at, position, cause, cause_event_id
    from advances
    union all
    -- of several moves in one instant, the last is the one that is seen
    select
        lead_id,
        move.instant as changed_at,
        arg_max(move.position, number) as position,
        arg_max(move.cause, number) as cause,
        arg_max_null(move.cause_event_id, number) as cause_event_id,
    from steps
    group by lead_id, move.instant
),

changes as (
    select
        *,
        lag(position) over (partition by lead_id order by changed_at) as position_before,
    from positions
    qualify position is distinct from lag(position) over (partition by lead_id order by changed_at)
)

select
    changes.lead_id,
    changes.changed_at,
    stages_before.stage as from_stage,
    rule_stages.stage as to_stage,
    changes.position,
    changes.cause,
    changes.cause_event_id,
    coalesce(
        lead(changes.changed_at) over (partition by changes.lead_id order by changes.changed_at),
        timestamptz 'infinity'
    ) as left_at,
from changes
inner join rule_stages on changes.position = rule_stages.position
left join rule_stages as stages_before on changes.position_before = stages_before.position
