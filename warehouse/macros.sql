-- What several models say in the same words. Temporary: every connection makes them anew.

-- a text as texts are compared: NFKC, which knows the widths of kana and letters, and lower case
create or replace temp macro normal_form(given) as
case when strlen(given) = length(given) then lower(given) else lower(nfkc(given)) end;

-- the instant so many microseconds after another, which has to be finite
create or replace temp macro later(instant, microseconds) as make_timestamptz(epoch_us(instant) + microseconds);

-- a company's id, made of the sign it is known by
create or replace temp macro account_name(sign) as
'A' || translate(substr(to_base64(unhex(md5(sign))), 1, 11), '+/', '-_');

-- the awards of a list that a cap lets count, with the points that do: each is measured from those that counted within
-- the window before it
create or replace temp macro walk_capped(awards, cap_times, cap_points, cap_window_us) as
case
    when
        len(awards) <= coalesce(cap_times, len(awards))
        and list_sum(list_transform(awards, lambda award: abs(award.points)))
        <= coalesce(cap_points, 9223372036854775807)
        then awards
    else
        list_reduce(
            list_transform(
                awards,
                lambda award: [
                    struct_update(
                        award,
                        points := (
                            sign(award.points) * least(abs(award.points), coalesce(cap_points, abs(award.points)))
                        )::integer
                    )
                ]
            ),
            lambda counted, following: case
                when
                    len(
                        list_filter(
                            counted, lambda award: epoch_us(award.occurred_at) > epoch_us(following[1].occurred_at) - cap_window_us
                        )
                    ) < coalesce(cap_times, 9223372036854775807)
                    and coalesce(
                        list_sum(
                            list_transform(
                                list_filter(
                                    counted, lambda award: epoch_us(award.occurred_at) > epoch_us(following[1].occurred_at) - cap_window_us
                                ),
                                lambda award: abs(award.points)
                            )
                        ),
                        0
                    ) < coalesce(cap_points, 9223372036854775807)
                    then
                        counted || [
                            struct_update(
                                following[1],
                                points := (
                                    sign(following[1].points) * least(
                                        abs(following[1].points),
                                        coalesce(cap_points, 9223372036854775807) - coalesce(
                                            list_sum(
                                                list_transform(
                                                    list_filter(
                                                        counted,
                                                        lambda award: epoch_us(award.occurred_at)
                                                        > epoch_us(following[1].occurred_at) - cap_window_us
                                                    ),
                                                    lambda award: abs(award.points)
                                                )
                                            ),
                                            0
                                        )
                                    )
                                )::integer
                            )
                        ]
                else counted
            end
        )
end;

-- spans (question, lead_id, from_at, to_at) of a table, those that overlap or touch laid together
create or replace temp macro merged_spans(spans) as table (
    with marks as (
        select question, lead_id, from_at as instant, 1 as change from query_table(spans)
        union all
        select question, lead_id, to_at as instant, -1 as change from query_table(spans)
    ),

    changes as (
        select question, lead_id, instant, sum(change) as change
        from marks
        group by question, lead_id, instant
    ),

    states as (
        select
            question,
            lead_id,
            instant,
            sum(change) over (partition by question, lead_id order by instant) as number,
            change,
        from changes
    ),

    turns as (
        select question, lead_id, instant, number > 0 as holds
        from states
        where (number > 0) != (number - change > 0)
    ),

    ended as (
        select
            question,
            lead_id,
            instant as from_at,
            coalesce(
                lead(instant) over (partition by question, lead_id order by instant), timestamptz 'infinity'
            ) as to_at,
            holds,
        from turns
    )

    select question, lead_id, from_at, to_at
    from ended
    where holds
);
