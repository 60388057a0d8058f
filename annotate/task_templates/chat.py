"""Chat: a choice between two next replies in a conversation of several turns."""

from django.utils.translation import gettext_lazy as _

from annotate.task_templates import Texts

LABEL = _("Multi-turn chat")
SUMMARY = _(
    "Which reply continues the conversation better: on task, consistent with the history, natural; "
    "for multi-turn prompts."
)
ORDER = 60
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
You see a conversation and two candidates for the next reply. Read the whole conversation before the replies. Choose the one after which you would rather go on talking.

## What to look for, in this order

1. **On task:** it responds to the last message and brings the user closer to the goal.
2. **Consistent:** it uses what was said before: names, facts, limits, corrections, the role given by the system prompt. It neither contradicts nor forgets them.
3. **True:** errors of fact count here too, and so does agreeing with a user who is wrong.
4. **Natural:** tone and length suit the conversation. It does not repeat itself, greet again, or ask for what it has been told.

## How to treat

- **Length:** conversations live on short turns. A long reply needs a reason, such as a request to explain.
- **Formatting:** headings and tables disturb small talk; in step-by-step help they may serve.
- **Questions back:** good where the answer depends on them. Bad where they only put it off.
- **Refusals:** refusing something harmless loses. A justified refusal keeps the tone of the conversation and offers another way.
- **Earlier mistakes:** a reply that openly corrects a mistake of the assistant beats one that builds on it.

## Tie, Both bad, Skip

- **Tie:** the conversation would go on equally well with either.
- **Both bad:** both miss the last message, contradict the conversation, or are wrong on the main point.
- **Skip:** you cannot follow the subject.

## Borderline cases

- *The user said earlier that they are vegetarian. A describes a splendid chicken dish, B a plain one with lentils.* B.
- *The user is upset. A lists seven tips; B shows understanding and asks one good question.* B, unless tips were asked for.
- *The user insists on a wrong date. A agrees politely, B corrects it politely.* B.
- *The conversation is in Spanish. A replies a little better, but in English; B replies in Spanish.* B."""

ZH = """\
您会看到一段对话和两个候选的下一条回复。先读完整段对话，再读回复，选出更能让您愿意聊下去的那个。

## 看什么（按重要程度排序）

1. **切合任务：** 回应用户的最后一条消息，让用户离目标更近。
2. **前后一致：** 用上前文的信息，包括称呼、事实、限制、更正和系统提示设定的角色；不矛盾，不遗忘。
3. **属实：** 事实错误照样要计较；用户说错了还随声附和，也算错误。
4. **自然：** 语气和长短与对话相称；不重复自己，不再次问候，不追问已经说过的事。

## 几类情况的处理

- **长度：** 聊天以短句为主，长回复要有理由，例如用户要求讲解。
- **格式：** 闲聊里用标题、表格是干扰；分步指导时可能有帮助。
- **反问：** 不问就答不好时是优点；只是拖延作答则是缺点。
- **拒答：** 拒绝无害的请求判负；有正当理由的拒答要保持原来的语气，并给出别的办法。
- **此前的错误：** 坦率更正助手先前错误的回复，胜过将错就错的回复。

## 平局、都不好、跳过

- **平局：** 用哪个，对话都能同样顺畅地继续。
- **都不好：** 两个都没有回应最后一条消息、与前文矛盾，或者主要内容有误。
- **跳过：** 话题超出您的理解范围。

## 边界示例

- *用户前面说过吃素：A 把一道鸡肉菜介绍得很诱人，B 推荐了一道普通的扁豆菜。* 选 B。
- *用户情绪低落：A 列出七条建议；B 先表示理解，再问一个恰当的问题。* 选 B，除非用户就是来要建议的。
- *用户坚持一个错误的日期：A 客气地附和，B 客气地指正。* 选 B。
- *对话一直用西班牙语：A 内容略好，却改用英语；B 用西班牙语。* 选 B。"""

TEXTS = {
    "en": Texts(
        criteria=(
            ("on task", "responds to the last message and serves the user's goal"),
            ("consistent", "fits everything said before"),
            ("natural", "tone and length suit the conversation"),
        ),
        chips=(
            "responds to the last message",
            "remembers the conversation",
            "no contradiction",
            "more accurate",
            "more natural",
            "better length",
            "better tone",
            "asks the right question",
        ),
        guidelines=EN,
    ),
    "zh-hans": Texts(
        criteria=(
            ("切合任务", "回应最后一条消息，推进用户的目标"),
            ("前后一致", "与前文说过的一切相符"),
            ("自然", "语气和长短与对话相称"),
        ),
        chips=(
            "回应了最后一条消息",
            "记得前文",
            "没有矛盾",
            "更准确",
            "更自然",
            "长短更合适",
            "语气更得体",
            "问得恰当",
        ),
        guidelines=ZH,
    ),
}
