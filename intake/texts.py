"""What the pages say, in Japanese and English."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Language = Literal["ja", "en"]

TEXTS: Mapping[Language, Mapping[str, str]] = {
    "ja": {
        "opt_out_title": "メール配信の停止",
        "opt_out_ask": "下のボタンを押すと、ご案内のメールをすべて停止します。お手続きはこれで完了します。",
        "opt_out_button": "配信を停止する",
        "opt_out_done_title": "配信を停止しました",
        "opt_out_done": "今後、ご案内のメールはお送りしません。すでに発送の手続きに入ったメールが届くことがあります。",
        "opt_out_other": "種類ごとに選ぶ・しばらく休む場合は",
        "preferences_link": "配信設定",
        "preferences_title": "配信設定",
        "preferences_ask": "メールの種類ごとに、受け取るかどうかをお選びください。"
        "「変更しない」のままの種類はそのままです。",
        "newsletter": "メールマガジン",
        "step": "ステップメール (資料などのご案内の続き)",
        "trigger": "閲覧やお申し込みに応じたご案内",
        "keep": "変更しない",
        "stop": "受け取らない",
        "resume": "受け取る",
        "pause_label": "しばらく休む",
        "pause_none": "休まない",
        "days": "日間",
        "correct_legend": "お客様情報の訂正",
        "correct_hint": "訂正する項目だけご記入ください。空欄の項目は変わりません。",
        "save": "設定を保存する",
        "preferences_done_title": "設定を保存しました",
        "preferences_done": "次に送るメールから反映します。",
        "preferences_none_title": "変更はありませんでした",
        "preferences_none": "選択を変えてから保存してください。",
        "bad_link_title": "このリンクは使えません",
        "bad_link": "リンクが途中で切れているか、古くなっています。メールのリンクをもう一度お開きください。"
        "配信停止は、届いたメールへの返信でも承ります。",
        "not_found_title": "ページが見つかりません",
        "not_found": "アドレスをご確認ください。",
        "refused_title": "受け付けられませんでした",
        "refused": "入力の形式をご確認のうえ、もう一度お試しください。",
        "busy_title": "ただいま受け付けられません",
        "busy": "少し時間をおいて、もう一度お試しください。",
    },
    "en": {
        "opt_out_title": "Stop our mails",
        "opt_out_ask": "Press the button to stop all of our marketing mails. Nothing else is needed.",
        "opt_out_button": "Unsubscribe",
        "opt_out_done_title": "You are unsubscribed",
        "opt_out_done": "We will send you no more marketing mails. One that is already on its way may still arrive.",
        "opt_out_other": "To choose by kind of mail, see",
        "preferences_link": "mail preferences",
        "preferences_title": "Mail preferences",
        "preferences_ask": "Choose which kinds of mail you want. What you leave at “no change” stays as it is.",
        "newsletter": "Newsletter",
        "step": "Series that follow a download or seminar",
        "trigger": "Mails in answer to what you read or asked for",
        "keep": "No change",
        "stop": "Stop",
        "resume": "Receive",
        "pause_label": "Pause for a while",
        "pause_none": "No pause",
        "days": "days",
        "correct_legend": "Correct what we know of you",
        "correct_hint": "Fill in only what is wrong. What you leave empty stays as it is.",
        "save": "Save",
        "preferences_done_title": "Saved",
        "preferences_done": "It holds from the next mail on.",
        "preferences_none_title": "Nothing was changed",
        "preferences_none": "Choose something else, and save.",
        "bad_link_title": "This link does not work",
        "bad_link": "It was cut off, or is too old. Please open the link in the mail again; you can also unsubscribe "
        "by answering the mail.",
        "not_found_title": "There is no such page",
        "not_found": "Please check the address.",
        "refused_title": "This could not be taken",
        "refused": "Please check what you entered, and try again.",
        "busy_title": "This cannot be taken just now",
        "busy": "Please try again in a little while.",
    },
}
