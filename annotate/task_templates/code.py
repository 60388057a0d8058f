"""Code: seven steps between two solutions, with the criteria correct, fits the request and readable."""

from django.utils.translation import gettext_lazy as _

from annotate.task_templates import Texts

LABEL = _("Code")
SUMMARY = _(
    "Which solution is better, and by how much: correct, true to the request, readable; for coding "
    "tasks judged by programmers."
)
ORDER = 30
SETTINGS = {
    "question": "scale",
    "with_stars": False,
    "allow_tie": True,
    "allow_both_bad": True,
    "allow_skip": True,
    "allow_flag": True,
    "reasons": "optional",
    "allow_repair": False,
}

EN = """\
First decide from the prompt what a solution must do. Then read the code, and only then the explanation. Where you can, run it in a sandbox, with an ordinary input and an edge case.

## What to look for, in this order

1. **Correct:** it runs and gives the right result, also for empty, large or malformed input that can occur. Invented functions or options are errors.
2. **Fits the request:** language and version, names, input and output, “no libraries”, “change only this function”.
3. **Secure:** no data loss, no injection, no secrets in the source.
4. **Readable:** clear names, simple structure, comments where the code needs them.
5. **Explained:** briefly, and true to the code.

## The scale

- **Much better:** one solves the task, the other does not.
- **Clearly better:** both mostly work; one has a bug or misses a requirement.
- **Slightly better:** both work; one is simpler or better explained.
- **Tie:** in a review you would accept either as it is.
- **Both bad:** neither is of use without being rewritten.
- **Skip:** you do not know the language well enough.

## How to treat

- **Length:** shorter is better only while it stays clear. Unrequested extras earn nothing.
- **Formatting:** code belongs in a code block. A missing one is a small fault, lost indentation in Python a grave one.
- **Refusals:** refusing an ordinary task is a failure. Asking back is good only where it is necessary.
- **Errors of fact** in the explanation count less than errors in the code, unless they mislead whoever uses it.

## Borderline cases

- *A is elegant and fails on an empty list; B is clumsy and handles it.* B clearly, if the list can be empty.
- *One bug was to be fixed. A changes two lines; B fixes it too, but rewrites the file.* A clearly.
- *Both run, but A uses a library although the prompt excludes them.* B clearly.
- *Both are right. A takes linear time, B quadratic, on ten elements.* A slightly, or a tie."""

ZH = """\
先根据提示词想清楚：合格的解法必须做到什么。然后读代码，最后才读讲解。条件允许时，在沙箱里用一个普通输入和一个边界输入各跑一遍。

## 看什么（按重要程度排序）

1. **正确：** 能运行，结果对；可能出现的空输入、大输入、畸形输入也能处理。虚构的函数或参数算错误。
2. **符合要求：** 语言和版本、命名、输入输出，以及“不用第三方库”“只改这个函数”一类限制。
3. **安全：** 不丢数据，不留注入漏洞，不把密钥写进源码。
4. **易读：** 命名清楚，结构简单，该加注释处有注释。
5. **讲解：** 简短，并且与代码一致。

## 七级怎么选

- **好很多：** 一个解决了问题，另一个没有。
- **明显更好：** 两个大体可用，其中一个有 bug 或漏了要求。
- **略好：** 两个都可用，其中一个更简洁，或讲得更清楚。
- **平局：** 代码评审时，哪个您都会原样通过。
- **都不好：** 不重写就没法用。
- **跳过：** 对这门语言不够熟悉。

## 几类情况的处理

- **长度：** 在清楚的前提下才是越短越好；没有要求的附加功能不加分。
- **格式：** 代码应放在代码块里。没放是小毛病，Python 丢了缩进是大毛病。
- **拒答：** 拒绝普通的编程任务就是失败；只有不问清楚就做不了时，反问才算优点。
- **事实错误：** 讲解里的错误轻于代码里的错误，除非会误导使用代码的人。

## 边界示例

- *A 写得漂亮，但遇到空列表出错；B 笨拙，却处理了空列表。* 列表可能为空时，B 明显更好。
- *只要求修一个 bug：A 改了两行；B 也修好了，但重写了整个文件。* A 明显更好。
- *两个都能运行，但提示词不许用第三方库，A 用了。* B 明显更好。
- *两个都对，A 是线性时间，B 是平方时间，数据只有十个元素。* A 略好，或平局。"""

TEXTS = {
    "en": Texts(
        criteria=(
            ("correct", "runs and gives the right result, edge cases included"),
            ("fits the request", "does what was asked, in the language and within the limits given"),
            ("readable", "clear names and structure, explained where needed"),
        ),
        chips=(
            "runs as it is",
            "right result",
            "handles edge cases",
            "fits the request",
            "simpler",
            "more readable",
            "more secure",
            "more efficient",
            "better explained",
        ),
        guidelines=EN,
    ),
    "zh-hans": Texts(
        criteria=(
            ("正确", "能运行，结果对，边界情况也处理到位"),
            ("符合要求", "用指定的语言完成所要求的功能，遵守各项限制"),
            ("易读", "命名和结构清楚，该说明处有说明"),
        ),
        chips=(
            "可以直接运行",
            "结果正确",
            "处理了边界情况",
            "符合要求",
            "更简洁",
            "更易读",
            "更安全",
            "更高效",
            "讲解更清楚",
        ),
        guidelines=ZH,
    ),
}
