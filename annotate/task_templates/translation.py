"""Translation: an order of up to three translations, which annotators may improve."""

from django.utils.translation import gettext_lazy as _

from annotate.task_templates import Texts

LABEL = _("Translation")
SUMMARY = _(
    "Two or three translations in order, best first: accurate, fluent, with the right terms and register; for people "
    "who know both languages."
)
ORDER = 50
SETTINGS = {
    "question": "rank",
    "most_shown": 3,
    "with_stars": False,
    "allow_tie": True,
    "allow_both_bad": False,
    "allow_skip": True,
    "allow_flag": True,
    "reasons": "optional",
    "allow_repair": True,
}

EN = """\
Put the translations in order as a demanding client would. You need to write the target language well and to understand the source language without help; otherwise skip.

## What to look for, in this order

1. **Accurate:** nothing is added, lost or changed: negations, numbers, names, conditions, who does what to whom.
2. **Fluent:** it reads as if it had been written in the target language: grammar, word order, idiom, punctuation.
3. **Terms:** those of the field, the same throughout. A glossary in the prompt is binding.
4. **Register:** formality, form of address and tone fit the text and its readers.

One error that misleads the reader outweighs several clumsy sentences.

## How to treat

- **Length:** languages differ; look for completeness, not for the number of words.
- **Formatting:** headings, lists, placeholders, tags and code stay as they are.
- **Comments:** unrequested explanations are a fault; a short note on a real ambiguity is not.
- **Refusals:** an answer that does not translate comes last.
- **Errors of fact in the source** are translated, not corrected.

## Ties and bad translations

- **Same place:** only where you would deliver either. Small differences still give an order.
- **All bad:** there is no button for this. Order them all the same, the least misleading first, and improve the best one if you can.
- **Flag:** the source is unreadable, or the prompt does not make the target language clear.

## Borderline cases

- *A is elegant but drops a “not”; B is stiff and correct.* B first.
- *A keeps the informal address of a chat, B makes it formal; otherwise they are alike.* A first.
- *A renders an idiom word for word, B has an idiom of the same meaning.* B first, unless the text plays on the image.
- *A translates the name of a product, B keeps it.* B first, unless the glossary or common use has a translation."""

ZH = """\
像要求严格的客户那样给译文排序。您需要能熟练用目标语言写作，并能独立读懂原文；否则请跳过。

## 看什么（按重要程度排序）

1. **准确：** 不增、不漏、不改：否定、数字、名称、条件、谁对谁做了什么，都与原文一致。
2. **流畅：** 读起来像直接用目标语言写成的，语法、语序、搭配、标点都地道。
3. **术语：** 采用行业通行的译法，并且前后一致；提示词附了术语表的，必须照用。
4. **语体：** 正式程度、称呼和语气适合文本及其读者。

一处误导读者的错误，比好几句生硬的译文更严重。

## 几类情况的处理

- **长度：** 各种语言繁简不同，看内容是否完整，不看字数。
- **格式：** 标题、列表、占位符、标签和代码原样保留。
- **附注：** 没有要求的解释算缺点；原文确有歧义时，简短说明不算。
- **拒答：** 没有译出来的排在最后。
- **原文的事实错误：** 照译，不改。

## 并列与译文都差

- **并列：** 只有交付哪份都行时才并列；差别虽小，也要排出先后。
- **全都不好：** 没有对应的按钮，仍要排序，最不会误导人的排最前；力所能及的话，请修改最好的那份。
- **反馈问题：** 原文无法辨读，或者提示词没有说清目标语言。

## 边界示例

- *A 优美，但漏了“不”字；B 生硬，但正确。* B 在前。
- *聊天记录里用“你”，A 保留，B 改成“您”，其余相同。* A 在前。
- *A 逐字直译习语，B 换成意思相同的习语。* B 在前，除非原文正是拿这个形象做文章。
- *A 翻译了产品名，B 保留原名。* B 在前，除非术语表或通行用法有译名。"""

TEXTS = {
    "en": Texts(
        criteria=(
            ("accurate", "nothing added, lost or changed"),
            ("fluent", "reads as if written in the target language"),
        ),
        chips=(
            "more accurate",
            "nothing lost or added",
            "reads naturally",
            "better grammar",
            "right terms",
            "consistent terms",
            "fitting register",
            "keeps the formatting",
        ),
        guidelines=EN,
    ),
    "zh-hans": Texts(
        criteria=(
            ("准确", "不增、不漏、不改变原意"),
            ("流畅", "读起来像直接用目标语言写成的"),
        ),
        chips=(
            "更准确",
            "没有漏译和增译",
            "行文自然",
            "语法更好",
            "术语正确",
            "术语前后一致",
            "语体合适",
            "保留了格式",
        ),
        guidelines=ZH,
    ),
}
