"""Summaries: a choice between two summaries, with the criteria faithful, complete and concise."""

from django.utils.translation import gettext_lazy as _

from annotate.task_templates import Texts

LABEL = _("Summaries")
SUMMARY = _(
    "Which summary is better: faithful to the source, covering its main points, concise; for prompts that contain the "
    "text to summarise."
)
ORDER = 40
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
Somebody will read only the summary and act on it. Read the source first and note its three or four main points; then read both summaries against your notes.

## What to look for, in this order

1. **Faithful:** the source supports every statement. Wrong numbers, names or negations and a changed degree of certainty are errors; so is anything added from elsewhere, even if it is true.
2. **Complete:** the main message, results and decisions, with the conditions without which they mislead.
3. **Concise:** no repetition, no side issues, within the length asked for.
4. **Readable:** makes sense without the source, in a neutral tone.

## How to treat

- **Length:** a limit in the prompt counts, but a few words too many matter less than a missing main point. Without a limit, prefer the shorter of two that say the same.
- **Formatting:** as the prompt asks. Otherwise sentences and bullet points are equal.
- **Copied sentences:** allowed, unless the prompt asks for new wording.
- **Refusals:** refusing an ordinary text is a failure. “The text does not say” is right where it is so.
- **Errors of fact in the source:** the summary reports them as the source's statements; silently correcting them is unfaithful.

## Tie, Both bad, Skip

- **Tie:** the same main points, no errors, similar length.
- **Both bad:** each would mislead the reader, or misses the main message.
- **Skip:** you cannot follow the source well enough to check.

## Borderline cases

- *A covers everything but turns “may reduce” into “reduces”; B leaves out a minor point.* B: certainty is part of the content.
- *A adds a correct fact that is not in the source; B is sound but plainer.* B.
- *No length was given. A makes five points in 120 words, B the three main ones in 50.* B, if nothing important is missing.
- *The source contradicts itself. A reports one version, B both.* B."""

ZH = """\
设想读者只看摘要，并据此行事。先读原文，记下三四个要点，再拿两份摘要逐一对照。

## 看什么（按重要程度排序）

1. **忠实：** 每句话都能在原文找到依据。数字、名称、否定写错，把握程度改变，都是错误；从别处添加的内容，即使属实也算错误。
2. **完整：** 主旨、结果、决定都在，缺了就会误导人的前提条件也在。
3. **简洁：** 不重复，不纠缠枝节，不超出要求的篇幅。
4. **好读：** 不看原文也能懂，语气中立。

## 几类情况的处理

- **长度：** 提示词规定的篇幅要遵守，但略微超出轻于漏掉要点。没有规定时，说的内容相同，短的更好。
- **格式：** 按提示词的要求；没有要求时，成段叙述和分条列出不分高下。
- **照抄原句：** 允许，除非提示词要求换一种说法。
- **拒答：** 拒绝概括普通文本就是失败；原文确实没说的，指出“文中未提及”是对的。
- **原文的事实错误：** 摘要应如实转述为原文的说法，悄悄改正就是不忠实。

## 平局、都不好、跳过

- **平局：** 要点相同，都没有错误，篇幅相近。
- **都不好：** 两份都会误导读者，或者都漏了主旨。
- **跳过：** 原文看不太懂，无法核对。

## 边界示例

- *A 面面俱到，却把“可能降低”写成“降低”；B 漏了一个次要内容。* 选 B：把握程度也是内容。
- *A 添了一条原文没有、但属实的信息；B 没有错误，只是平实一些。* 选 B。
- *没有规定篇幅：A 用 200 字写了五点，B 用 80 字写了最主要的三点。* 没有漏掉重要内容就选 B。
- *原文前后矛盾：A 只写其中一种说法，B 两种都写明。* 选 B。"""

TEXTS = {
    "en": Texts(
        criteria=(
            ("faithful", "the source supports every statement"),
            ("complete", "covers the main points, with their conditions"),
            ("concise", "no repetition, no side issues, the length asked for"),
        ),
        chips=(
            "faithful to the source",
            "nothing added",
            "numbers and names are right",
            "keeps conditions and certainty",
            "covers the main points",
            "no side issues",
            "better length",
            "easier to read",
        ),
        guidelines=EN,
    ),
    "zh-hans": Texts(
        criteria=(
            ("忠实", "每句话都有原文依据"),
            ("完整", "覆盖要点，保留其前提条件"),
            ("简洁", "不重复，不纠缠枝节，篇幅符合要求"),
        ),
        chips=(
            "忠于原文",
            "没有添加内容",
            "数字和名称准确",
            "保留了条件和把握程度",
            "覆盖要点",
            "不纠缠枝节",
            "篇幅更合适",
            "更好读",
        ),
        guidelines=ZH,
    ),
}
