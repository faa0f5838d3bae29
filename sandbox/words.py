"""The words from which people and companies are made up.

All of them are invented combinations: no entry stands for a person or a company that exists, and every mail domain
ends in `.example` or `.test`, which are reserved for such use.
"""

from __future__ import annotations

FAMILY_NAMES = (
    ("佐藤", "sato"), ("鈴木", "suzuki"), ("高橋", "takahashi"), ("田中", "tanaka"), ("伊藤", "ito"),
    ("渡邉", "watanabe"), ("山本", "yamamoto"), ("中村", "nakamura"), ("小林", "kobayashi"), ("加藤", "kato"),
    ("吉田", "yoshida"), ("山田", "yamada"), ("佐々木", "sasaki"), ("山口", "yamaguchi"), ("松本", "matsumoto"),
    ("井上", "inoue"), ("木村", "kimura"), ("林", "hayashi"), ("清水", "shimizu"), ("斎藤", "saito"),
    ("森", "mori"), ("池田", "ikeda"), ("橋本", "hashimoto"), ("石川", "ishikawa"), ("前田", "maeda"),
    ("岡田", "okada"), ("長谷川", "hasegawa"), ("藤井", "fujii"), ("村上", "murakami"), ("近藤", "kondo"),
    ("遠藤", "endo"), ("青木", "aoki"), ("坂本", "sakamoto"), ("西村", "nishimura"), ("福田", "fukuda"),
    ("三浦", "miura"), ("岡本", "okamoto"), ("松田", "matsuda"), ("中野", "nakano"), ("小野", "ono"),
)  # fmt: skip
GIVEN_NAMES = (
    ("健一", "kenichi"), ("大輔", "daisuke"), ("直樹", "naoki"), ("浩二", "koji"), ("誠", "makoto"),
    ("翔太", "shota"), ("拓也", "takuya"), ("隆", "takashi"), ("修", "osamu"), ("和也", "kazuya"),
    ("美咲", "misaki"), ("由美子", "yumiko"), ("恵", "megumi"), ("陽子", "yoko"), ("直美", "naomi"),
    ("彩", "aya"), ("真由美", "mayumi"), ("久美子", "kumiko"), ("裕子", "yuko"), ("千春", "chiharu"),
    ("亮", "ryo"), ("剛", "tsuyoshi"), ("雄太", "yuta"), ("哲也", "tetsuya"), ("正樹", "masaki"),
    ("智子", "tomoko"), ("麻衣", "mai"), ("香織", "kaori"), ("純", "jun"), ("薫", "kaoru"),
)  # fmt: skip
COMPANY_STEMS = (
    ("霧ヶ浜", "kirigahama"), ("星見川", "hoshimigawa"), ("月白野", "tsukishirono"), ("風待沢", "kazemachizawa"),
    ("朝凪台", "asanagidai"), ("白糸原", "shiraitohara"), ("青嵐峠", "aoarashi"), ("雪待町", "yukimachi"),
    ("虹ヶ淵", "nijigafuchi"), ("夕映丘", "yubaeoka"), ("若竹森", "wakatakemori"), ("銀杏坂", "ichozaka"),
    ("潮鳴", "shionari"), ("雲井原", "kumoihara"), ("蛍橋", "hotarubashi"), ("響野", "hibikino"),
    ("千鳥沼", "chidorinuma"), ("深緑台", "fukamidoridai"), ("暁ヶ岡", "akatsukigaoka"), ("鈴音", "suzune"),
    ("水面橋", "minamobashi"), ("紅葉瀬", "momijise"), ("天ノ原", "amanohara"), ("玉響", "tamayura"),
)  # fmt: skip
INDUSTRIES = (
    (
        "製造業",
        40,
        (("精工", "seiko"), ("製作所", "works"), ("工機", "koki"), ("樹脂工業", "jushi"), ("電装", "denso")),
    ),
    ("IT", 15, (("システムズ", "systems"), ("ソフトウェア", "soft"), ("データ", "data"))),
    ("金融", 8, (("リース", "lease"), ("ファイナンス", "finance"))),
    ("小売", 9, (("商店", "shoten"), ("マート", "mart"))),
    ("建設", 10, (("建設", "kensetsu"), ("工務店", "komuten"))),
    ("医療", 7, (("メディカル", "medical"), ("医療器", "iryoki"))),
    ("物流", 6, (("物流", "butsuryu"), ("運輸", "unyu"))),
    ("卸売", 5, (("商事", "shoji"), ("通商", "tsusho"))),
)
COMPANY_FORMS = (("株式会社{}", 45), ("{}株式会社", 35), ("㈱{}", 8), ("{}㈱", 6), ("有限会社{}", 6))
JOB_TITLES = (
    ("部長", 9), ("営業部長", 5), ("製造部長", 6), ("情報システム部長", 3), ("副部長", 4), ("部長代理", 3),
    ("課長", 14), ("係長", 8), ("主任", 10), ("担当", 22), ("代表取締役", 5), ("取締役", 4), ("工場長", 3), ("", 4),
)  # fmt: skip
REGIONS = (
    ("東京都", 30), ("愛知県", 14), ("大阪府", 14), ("神奈川県", 9), ("埼玉県", 6), ("静岡県", 6), ("福岡県", 6),
    ("兵庫県", 5), ("北海道", 4), ("広島県", 3), ("宮城県", 3),
)  # fmt: skip
EMPLOYEE_BANDS = (((5, 30), 25), ((30, 100), 30), ((100, 300), 25), ((300, 1_000), 14), ((1_000, 8_000), 6))
TOPICS = ("製品A", "製品B", "製品C", "コスト削減", "品質改善", "人材育成")
CONSENTS = (("opt_in_form", 46), ("business_card", 26), ("existing_dealings", 15), (None, 13))
EVIDENCE = {
    "opt_in_form": "資料請求フォームの同意欄",
    "business_card": "展示会での名刺交換",
    "existing_dealings": "取引先台帳",
}

DOCUMENTS = (
    ("product-guide", 35), ("case-studies", 25), ("whitepaper-dx", 15), ("whitepaper-cost", 15),
    ("whitepaper-quality", 10),
)  # fmt: skip
SEMINARS = ("seminar-dx", "seminar-quality", "seminar-cost")
PRODUCTS = ("/products/a", "/products/b", "/products/c", "/products/a/spec")
CASES = ("/cases/", "/cases/seiko-line", "/cases/stock-halved", "/cases/night-shift")
BLOG = ("/blog/", "/blog/kaizen-5", "/blog/dx-first-step", "/blog/現場改善の始め方", "/blog/hojokin")

BROWSERS = (
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/134.0.0.0 Safari/537.36", 55),
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/134.0.0.0 Safari/537.36 Edg/134.0.0.0", 25),
    ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.3 Safari/605.1.15", 10),
    ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_3 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148", 10),
)
ROBOT = "Mozilla/5.0 (compatible; ExampleBot/2.1; +http://bot.example/)"
