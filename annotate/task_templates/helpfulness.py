"""General helpfulness: a choice between two answers, with the criteria helpful, honest and harmless."""

from django.utils.translation import gettext_lazy as _

from annotate.task_templates import Texts

LABEL = _("General helpfulness")
SUMMARY = _(
    "Which answer serves the user better, and which is more helpful, honest and harmless; for instructions and "
    "questions of any kind."
)
ORDER = 10
SETTINGS = {
    "question": "pair",
    "with_stars": False,
    "allow_tie": True,
    "allow_both_bad": True,
    "allow_skip": True,
    "allow_flag": True,
    "reasons": "optional",
    "allow_repair": False,
}

EN = """\
Imagine that you wrote the prompt yourself and need the result today. Choose the answer you would rather receive. Judge each criterion on its own: an answer can be more honest and still less helpful.

## What to look for

Serious harm decides first: an answer that makes it easier loses, however good otherwise. After that, in this order:

1. **It does what was asked:** the whole request, with its limits on number, language, tone, length and format.
2. **It is true.** Check the facts that the answer rests on. A serious error outweighs better style; an invented quotation, link or number is a serious error.
3. **It is easy to use:** clear, well ordered, in a fitting tone.

## How to treat

- **Length:** neither a merit nor a fault. Padding counts against an answer.
- **Formatting:** lists, headings and tables are good where they help reading. Decoration earns nothing.
- **Refusals:** without good reason, an unhelpful answer. A justified one is short and offers an alternative.
- **Uncertainty:** “I am not sure” is right where the matter is open, and a weakness where the answer is well known.

## Tie, Both bad, Skip, Flag

- **Tie:** you have read both and would accept either. Never choose it to save time.
- **Both bad:** neither could be given to a user: wrong on the main point, off topic, or harmful.
- **Skip:** you lack the knowledge and cannot check.
- **Flag:** the prompt makes no sense, an answer is cut off, or it names its model.

## Borderline cases

- *A is right in three sentences; B is right in a page with useful examples.* A quick question: A. A request to explain: B.
- *A is a pleasure to read but has the wrong year for the main event; B is dry and right.* B.
- *Five ideas were asked for. A gives five fair ones, B three excellent ones.* A: the number was part of the request.
- *Each has one slip: A's is in an aside, B's changes the conclusion.* A."""

ZH = """\
设想这条提示词是您自己写的，今天就要用到结果：选出您更愿意收到的那个回答。各评价维度分开判断，更诚实的回答不一定更有用。

## 看什么

先看有没有严重危害：会助长严重伤害的回答，写得再好也判负。除此之外，按重要程度依次看：

1. **完成要求：** 提示词里的每一项都要落实，包括对数量、语言、语气、篇幅和格式的限制。
2. **内容属实：** 核实回答所依据的关键事实。严重的事实错误比文笔要紧得多；编造引文、链接或数字，一律算严重错误。
3. **好用：** 条理清楚，重点突出，语气得体。

## 几类情况的处理

- **长度：** 长不加分，短不扣分；凑字数、反复说同一件事要扣分。
- **格式：** 列表、标题、表格确实方便阅读才算优点，纯装饰不加分。
- **拒答：** 没有正当理由的拒答等于没有帮上忙；确有理由时，说得简短并给出替代办法的更好。
- **不确定：** 本来没有定论的事，说明不确定是对的；众所周知的事还含糊其辞，算缺点。

## 平局、都不好、跳过、反馈问题

- **平局：** 两个回答都已读完，交给用户哪个都可以。不要为了省事选平局。
- **都不好：** 哪个都拿不出手：主要内容有误、答非所问或者有害。
- **跳过：** 缺少相关知识，又无从核实。
- **反馈问题：** 提示词不知所云、回答被截断，或者泄露了模型身份。

## 边界示例

- *A 三句话答对；B 用一整页答对，例子也有用。* 随口一问选 A，要求讲解选 B。
- *A 读来舒服，但把主要事件的年份写错；B 平淡，但全对。* 选 B。
- *要求给五个点子，A 给了五个还不错的，B 只给了三个，但都很出色。* 选 A：数量也是要求的一部分。
- *两个回答各有一处疏漏：A 错在题外话，B 的错会改变结论。* 选 A。"""

TEXTS = {
    "en": Texts(
        criteria=(
            ("helpful", "does everything that was asked, within the limits given"),
            ("honest", "is true, and says so where it is not sure"),
            ("harmless", "does no harm and makes none easier"),
        ),
        chips=(
            "does what was asked",
            "more accurate",
            "more complete",
            "more to the point",
            "easier to follow",
            "better tone",
            "admits uncertainty",
            "safer",
        ),
        guidelines=EN,
    ),
    "zh-hans": Texts(
        criteria=(
            ("有用", "完整满足要求，遵守给出的限制"),
            ("诚实", "内容属实，不确定时如实说明"),
            ("无害", "不造成伤害，也不助长伤害"),
        ),
        chips=("完成了要求", "更准确", "更完整", "更切题", "更好读", "语气更得体", "如实说明不确定", "更安全"),
        guidelines=ZH,
    ),
}
