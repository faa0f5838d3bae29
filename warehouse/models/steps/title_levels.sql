-- One row per job title of leads in scope that has a level.
-- key: title
-- from: told_attributes, rule_title_levels
-- A level is told by how a title ends, so 営業部長 is a 部長 and 部長代理 is not; the longest ending counts, so 副部長 is
-- none either. Of several titles in one, which 兼, brackets, commas and the like set apart, the highest level counts:
-- that first in the rules. What an English title is of or to is left out. Who was something (元部長, former director) or
-- is somebody's secretary is of no level by that.
with titles as (
    select
        value as title,
        -- 部長（代理） and 部長・代理 are 部長代理, 副 部長 is 副部長, "Deputy, General Manager" is one title
        regexp_replace(
            regexp_replace(
                regexp_replace(normal_form(value), '^([元前旧])[\s・]+', '\1'),
                '[\s・(\[{【〔<]+(代理|代行|補佐|心得|待遇|付|秘書)\s*([)\]}】〕>]|$)', '\1 ', 'g'
            ),
            '(副|準|deputy|acting|vice)[\s,(]+', '\1 ', 'g'
        ) as whole,
    from (select distinct value from told_attributes where field = 'title')
),

uncut as (
    select
        title,
        unnest([
            whole,
            regexp_replace(
                whole,
                '\b(of|to|for|at) .*?( and | - |[,、。・/&;:|@()\[\]{}<>【】〔〕「」『』〈〉《》–—―兼]|$)', '\2', 'g'
            )
        ]) as written,
        unnest([true, false]) as has_objects,
    from titles
),

pieces as (
    select
        title,
        has_objects,
        -- the whole may stand under exact
        unnest(
            if(has_objects, [written], []) || regexp_split_to_array(
                written, '兼任|兼務|兼|[,、。・/&;:|@()\[\]{}<>【】〔〕「」『』〈〉《》–—―]| and | - '
            )
        ) as piece,
    from uncut
),

parts as (
    -- Japanese titles stand side by side with a space between them, or with one within: 営業部 部長
    select distinct
        title,
        has_objects,
        unnest(
            case
                when regexp_matches(piece, '[^\x00-\x7f]') and not regexp_matches(piece, '[副準] ')
                    then [regexp_replace(piece, '\s', '', 'g')] || regexp_split_to_array(trim(piece), '\s+')
                else [regexp_replace(piece, '\s', '', 'g')]
            end
        ) as part,
    from pieces
),

held as (
    select
        title,
        has_objects,
        -- 取締役営業担当 is a 取締役
        regexp_replace(part, '^(.*(取締役|執行役員)).*担当$', '\1') as part,
        regexp_matches(part, '(秘書|secretary|assistant)$') as is_aide,
    from parts
    where
        not regexp_matches(part, '^(former|ex-|retired)')
        and not regexp_matches(
            part,
            '^[元前旧](副|本部|代表|取締|執行|常務|専務|営業|総務|人事|経理|財務|技術|開発|製造|生産|企画|経営|事業|管理'
            || '|情報|法務|広報|品質|購買|社長|会長|部長|課長|係長|次長|支店長|支社長|工場長|所長|店長|室長|役員|$)'
        )
),

matched as (
    select
        held.title,
        held.part,
        rule_title_levels.title_level,
        rule_title_levels.position,
    from held
    inner join rule_title_levels
        on
            (rule_title_levels.match = 'exact' and held.part = rule_title_levels.word)
            or (
                rule_title_levels.match = 'ending'
                and not held.has_objects
                and ends_with(held.part, rule_title_levels.word)
            )
    -- of an aide's title only what it is itself
    where
        held.is_aide
        or held.title not in (select aides.title from held as aides where aides.is_aide and not aides.has_objects)
    qualify
        row_number() over (
            partition by held.title, held.part
            order by rule_title_levels.match = 'exact' desc, length(rule_title_levels.word) desc
        ) = 1
)

select
    title,
    arg_min(title_level, position) as title_level,
from matched
group by title
