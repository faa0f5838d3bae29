-- How text becomes a stamp, a number, a truth value as sources are loaded.
-- A stamp's own offset counts; one without is read in the source's time zone. ISO dates are always understood, others
-- by the source's date_format where it gives one.
create macro load_stamp_text(given, date_format, epoch_unit) as
case
    when epoch_unit is not null and try_cast(given as double) is not null
        then cast(to_timestamp(cast(given as double) / epoch_unit) as varchar)
    when date_format is null or regexp_matches(given, '^\d{4}-\d{2}-\d{2}') then given
    else cast(try_strptime(given, date_format) as varchar)
end;

create macro load_stamp(text_, timezone_) as
case
    when regexp_matches(text_, '\d:\d{2}(:\d{2}(\.\d+)?)?\s*([A-Za-z]|[+-]\d{2}(:?\d{2})?$)')
        then
            try_cast(
                regexp_replace(
                    regexp_replace(text_, '\s*([+-]\d{2})(\d{2})$', '\1:\2'), '\s+([+-]\d{2}(:\d{2})?)$', '\1'
                ) as timestamptz
            )
    else timezone(timezone_, try_cast(text_ as timestamp))
end;

-- DuckDB's earliest and latest instants are beyond what anybody means
create macro load_is_stamp(stamp) as
stamp between timestamptz '0001-01-02 00:00:00+00' and timestamptz '9999-12-31 00:00:00+00';

-- a whole number has no fraction to show, and what is no number is nothing
create macro load_number_shown(given) as
case
    when isnan(given) then null
    when given = trunc(given) and abs(given) < 1e15 then cast(cast(given as bigint) as varchar)
    else cast(given as varchar)
end;

-- Looking at the two ends is much quicker than trimming, and few values need that. A look at an empty text says yes.
create macro load_may_have_space_around(given) as
greatest(contains(getvariable('load_spaces'), right(given, 1)), contains(getvariable('load_spaces'), left(given, 1)));

create macro load_has_space_around(given) as given != '' and load_may_have_space_around(given);

create macro load_trim(given) as
case
    when load_has_space_around(given) then trim(given, getvariable('load_spaces'))
    else given
end;

-- full-width letters and digits as plain ones; what is ASCII alone is plain
create macro load_normal(given) as
case
    when strlen(given) = length(given) then given
    else load_trim(load_nfkc(given))
end;

create macro load_boolean(given) as
case
    when lower(given) in ('true', 't', 'yes', 'y', '1', 'on', 'はい', '有', 'あり') then true
    when lower(given) in ('false', 'f', 'no', 'n', '0', 'off', 'いいえ', '無', 'なし') then false
end;

-- what a text says where it may say several things
create macro load_parts(given, type_, allowed_) as
case
    when type_ != 'choices' or list_contains(allowed_, given) then [given]
    else
        list_filter(
            list_transform(regexp_split_to_array(given, '[;,、|\n]'), lambda part: trim(part)), lambda part: part != ''
        )
end;

-- what does not fit the values that a field may have; none where it may have any
create macro load_unknown_parts(parts, type_, allowed_) as
case
    when type_ in ('choice', 'choices') and len(allowed_) > 0
        then list_filter(parts, lambda part: not list_contains(allowed_, part))
    else []
end;

-- a text as a value of a field's type; NULL where nothing of it is one
create macro load_fitting(given, type_, allowed_, date_format, epoch_unit, timezone_) as
case type_
    when 'number'
        then
            case
                when isfinite(try_cast(number_text(given) as double)) then number_text(given)
            end
    when 'date'
        then
            cast(
                try_cast(
                    timezone(timezone_, load_stamp(load_stamp_text(given, date_format, epoch_unit), timezone_)) as date
                )
                as varchar
            )
    when 'boolean' then cast(load_boolean(given) as varchar)
    when 'corporate_number' then corporate_number(given)
    else
        nullif(
            array_to_string(
                list_filter(
                    load_parts(given, type_, allowed_),
                    lambda part: len(allowed_) = 0 or list_contains(allowed_, part)
                ),
                ';'
            ),
            ''
        )
end;

create macro load_is_address(given) as
length(given) <= 254
and regexp_matches(
    given, '^[^\s@<>()\[\]",;:\\]{1,64}@([\p{L}\p{N}]([\p{L}\p{N}-]*[\p{L}\p{N}])?\.)+[\p{L}\p{N}-]{2,}$'
);

-- What needs no closer look: no address, or one in plain letters.
create macro load_is_plain_address(given) as
given is null
or (
    length(given) <= 254
    and regexp_full_match(
        given, '[a-z0-9.!#$%&''*+/=?^_`{|}~-]{1,64}@([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9-]{2,}'
    )
);

-- What SendGrid takes: plain letters, no dots side by side or at an end of the part before the @.
create macro load_is_mailable(given) as
load_is_plain_address(given) and not regexp_matches(given, '(^|\.)\.|\.@');

-- The kinds of mail somebody may agree to, or no longer agree to; marketing is all of them.
create macro load_is_kind(given) as given in ('newsletter', 'step', 'trigger', 'marketing');

create macro load_is_basis(given) as
given in ('opt_in_form', 'business_card', 'existing_dealings', 'published_address');

create macro load_fault(target_, column_name_, value_, reason_) as
struct_pack(target := target_, column_name := column_name_, value := value_, reason := reason_);
