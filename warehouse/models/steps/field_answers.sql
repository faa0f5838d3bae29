-- One row per span of time in which a field of a lead in scope is as a question asks.
-- key: question, lead_id, from_at
-- from: lead_attribute_history, rule_field_questions
with asked as (
    -- each value once, however many leads have it
    select
        field_values.value,
        field_values.field,
        questions.question,
        coalesce(
            case
                when questions.is_known then field_values.value is not null
                when questions.low is not null or questions.high is not null
                    then
                        case questions.kind
                            when 'date' then epoch(try_cast(field_values.value as date)) / 86400
                            else try_cast(field_values.value as double)
                        end
                        between coalesce(questions.low, '-infinity'::double)
                        and coalesce(questions.high, 'infinity'::double)
                when questions.part is not null then contains(normal_form(field_values.value), questions.part)
                when questions.kind = 'choices'
                    then list_has_any(string_split(normal_form(field_values.value), ';'), questions.one_of)
                else list_contains(questions.one_of, normal_form(field_values.value))
            end,
            false
        ) as holds,
    from (
        select distinct field, value
        from lead_attribute_history
        where field in (select field from rule_field_questions)
    ) as field_values
    inner join rule_field_questions as questions on field_values.field = questions.field
),

answered as (
    select
        history.lead_id,
        asked.question,
        history.valid_from,
        asked.holds,
    from lead_attribute_history as history
    inner join asked on history.field = asked.field and history.value is not distinct from asked.value
    qualify
        asked.holds is distinct from coalesce(
            lag(asked.holds) over (partition by history.lead_id, asked.question order by history.valid_from), false
        )
),

spans as (
    select
        question,
        lead_id,
        valid_from as from_at,
        coalesce(
            lead(valid_from) over (partition by lead_id, question order by valid_from), timestamptz 'infinity'
        ) as to_at,
        holds,
    from answered
)

select question, lead_id, from_at, to_at
from spans
where holds
