-- How text becomes a stamp, a number, a truth value. Temporary: each load makes them anew.
-- A stamp's own offset counts; one without is read in the source's time zone. ISO dates are always understood, others
-- by the source's date_format where it gives one.
create or replace temp macro load_stamp_text(given, date_format, epoch_unit) as
case
    when epoch_unit is not null and try_cast(given as double) is not null
        then cast(to_timestamp(cast(given as double) / epoch_unit) as varchar)
    when date_format is null or regexp_matches(given, '^\d{4}-\d{2}-\d{2}') then given
    else cast(try_strptime(given, date_format) as varchar)
end;

create or replace temp macro load_stamp(text_, timezone_) as
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

create or replace temp macro load_number_text(given) as
case
    when regexp_matches(given, '^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$') then replace(given, ',', '')
    else given
end;

create or replace temp macro load_boolean(given) as
case
    when lower(given) in ('true', 't', 'yes', 'y', '1', 'on', 'はい', '有', 'あり') then true
    when lower(given) in ('false', 'f', 'no', 'n', '0', 'off', 'いいえ', '無', 'なし') then false
end;

create or replace temp macro load_is_address(given) as
length(given) <= 254
and regexp_matches(
    given, '^[^\s@<>()\[\]",;:\\]{1,64}@([\p{L}\p{N}]([\p{L}\p{N}-]*[\p{L}\p{N}])?\.)+[\p{L}\p{N}-]{2,}$'
);

create or replace temp macro load_fault(target_, column_name_, value_, reason_) as
struct_pack(target := target_, column_name := column_name_, value := value_, reason := reason_);
