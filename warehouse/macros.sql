-- What several models say in the same words. They stand in memory, beside the files, and are made with each instance.

-- a text as texts are compared: NFKC, which knows the widths of kana and letters, and lower case
create macro normal_form(given) as
case when strlen(given) = length(given) then lower(given) else lower(nfkc(given)) end;

-- a page's path or an asset's name as patterns are compared with it; escapes that are no text stay as they are
create macro readable(given) as lower(coalesce(try(url_decode(given)), given));

-- a number without the commas that set off its thousands
create macro number_text(given) as
case
    when regexp_matches(given, '^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$') then replace(given, ',', '')
    else given
end;

-- a text as a number, whatever the width of its digits; NULL where it is none, or none that is finite
create macro finite_number(given) as
case
    when isfinite(try_cast(number_text(trim(normal_form(given))) as double))
        then try_cast(number_text(trim(normal_form(given))) as double)
end;

-- the instant so many microseconds after another, which has to be finite
create macro later(instant, microseconds) as make_timestamptz(epoch_us(instant) + microseconds);

-- the kinds of mail that a word of a consent or a block stands for; "marketing" is all kinds of marketing mail
create macro kinds_meant(word) as
case
    when word in ('newsletter', 'step', 'trigger', 'all') then [word]
    else ['newsletter', 'step', 'trigger']
end;

-- why an event stops mails, soft_bounce where only several of them do; NULL where it stops none. SendGrid calls a
-- bounce that may pass "blocked", and drops what it has on a list of its own, among others.
create macro block_reason(event_type, properties) as
case event_type
    when 'mail_unsubscribe' then 'opt_out'
    when 'mail_spam_report' then 'spam_report'
    when 'mail_bounce' then if(coalesce(properties['type'], 'bounce') = 'blocked', 'soft_bounce', 'hard_bounce')
    when 'mail_dropped'
        then
            case lower(trim(properties['reason']))
                when 'bounced address' then 'hard_bounce'
                when 'invalid' then 'invalid_address'
                when 'spam reporting address' then 'spam_report'
                when 'unsubscribed address' then 'opt_out'
            end
end;

-- whether a program opened or clicked, by what it says of itself; how it clicked is judged apart (scanner_clicks)
create macro is_machine_reading(properties) as
coalesce(properties['sg_machine_open'] = 'true', false)
or coalesce(list_contains(getvariable('machine_agents'), properties['useragent']), false);

-- the kind of mail that an event of opting out or in names, if any; an opt-out is not guessed to be less than it says
create macro event_mail_kind(properties) as
case
    when lower(trim(properties['mail_kind'])) in ('newsletter', 'step', 'trigger')
        then lower(trim(properties['mail_kind']))
    when properties['mail_kind'] is not null then 'marketing'
end;

-- the one reason why a lead gets no marketing mail of a kind; NULL: it may
create macro mail_refusal(is_suppressed, is_opted_out, has_consent, is_blocked_domain) as
case
    when is_suppressed then 'suppressed'
    when is_opted_out then 'opted_out'
    when not has_consent then 'no_consent'
    when is_blocked_domain then 'blocked_domain'
end;

-- the refusal of a lead that stands for mails of a kind
create macro refusal_of(kind, newsletter_refusal, step_refusal, trigger_refusal) as
case kind
    when 'newsletter' then newsletter_refusal
    when 'trigger' then trigger_refusal
    else step_refusal
end;

-- whether the mail provider takes an address: ASCII, a dot-atom, a domain with a dot; rules/addresses.py asks the same
create macro is_deliverable(address) as
regexp_full_match(
    address,
    '[A-Za-z0-9!#$%&''*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&''*+/=?^_`{|}~-]+)*'
    || '@[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+'
)
and length(address) <= 254
and strpos(address, '@') <= 65;

-- a company's id, made of the sign it is known by
create macro account_name(sign) as
'A' || translate(substr(to_base64(unhex(md5(sign))), 1, 11), '+/', '-_');

-- a company's name without its legal form, spaces and marks, as names are compared; NULL where nothing is left
create macro company_name(given, legal_forms) as
nullif(regexp_replace(regexp_replace(normal_form(given), legal_forms, '', 'g'), '[\s\p{P}\p{S}]+', '', 'g'), '');

-- how many points the awards of a list give or take in all
create macro points_moved(awards) as
coalesce(list_sum(list_transform(awards, lambda award: abs(award.points))), 0);

-- the awards of a list that lie within a window before an instant
create macro awards_since(awards, instant, window_us) as
list_filter(awards, lambda award: epoch_us(award.occurred_at) > epoch_us(instant) - window_us);

-- an award with so many points at most
create macro award_up_to(award, most_points) as
struct_update(award, points := (sign(award.points) * least(abs(award.points), most_points))::integer);

-- the awards of a list that a cap lets count, with the points that do: each is measured from those that counted within
-- the window before it
create macro walk_capped(awards, cap_times, cap_points, cap_window_us) as  -- noqa: PRS
case
    when
        len(awards) <= coalesce(cap_times, len(awards))
        and points_moved(awards) <= coalesce(cap_points, 9223372036854775807)
        then awards
    else
        list_reduce(
            list_transform(awards, lambda award: [award_up_to(award, coalesce(cap_points, 9223372036854775807))]),
            lambda counted, following: case
                when
                    len(awards_since(counted, following[1].occurred_at, cap_window_us))
                    < coalesce(cap_times, 9223372036854775807)
                    and points_moved(awards_since(counted, following[1].occurred_at, cap_window_us))
                    < coalesce(cap_points, 9223372036854775807)
                    then
                        counted || [
                            award_up_to(
                                following[1],
                                coalesce(cap_points, 9223372036854775807)
                                - points_moved(awards_since(counted, following[1].occurred_at, cap_window_us))
                            )
                        ]
                else counted
            end
        )
end;

-- spans (question, lead_id, from_at, to_at) of a table, those that overlap or touch laid together
create macro merged_spans(spans) as table (
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

-- what mails of a step's occurrence to an address are compared by before they are compared in full: those that are equal
-- have the same mark, and those that are not hardly ever do
create macro send_mark(email, scenario, step, occurrence) as
    hash(email, scenario, step, occurrence);

-- the key of one mail to one lead
create macro send_key(lead_id, scenario, step, occurrence) as
'S' || substr(md5(concat_ws(chr(31), lead_id, scenario, step, occurrence)), 1, 24);

-- a send_id as a number, by which the ledger knows it: the digits of the mail's occasion, which it shares with all
-- mails of a step and occurrence, and then its own; of any other text a hash
create macro send_number(send_id, scenario, step, occurrence) as
    if(
        regexp_full_match(send_id, 'S[0-9a-f]{24}'),
        ('0x' || substr(md5(concat_ws(chr(31), scenario, step, occurrence)), 1, 8) || substr(send_id, 2))::uhugeint,
        md5_number(send_id)
    );
