"""What becomes of the columns that a reader leaves over: metadata, a name in the summary, or a reason to stop.

A column whose name is on HARMLESS is kept as metadata. A column that bears on learning, by its name or by its values,
must be read, mapped or ignored by the person who imports; until then nothing is stored. All others are named as unread.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache

from datasets.formats.rows import JUDGED, Response, Row

ROW_IDS = ("id", "row_id", "rowid", "uid", "uuid", "guid", "_id", "编号", "序号")  # the first is the row's id
HARMLESS_NAMES = """
idx index row_idx no number prompt_id question_id conversation_id dialogue_id dialog_id session_id sample_id
example_id message_id message_tree_id task_id record_id item_id pair_id doc_id conversation_hash dataset dataset_name
data_source subset config split part partition shard file filename file_name path url link domain category categories
subcategory topic topics task task_type task_name type kind genre subject field area intent skill skills capability
difficulty level language lang locale country created created_at updated updated_at inserted_at timestamp tstamp date
time datetime year user user_id author author_id annotator annotator_id worker worker_id annotator_name labeler
reviewer version license licence tokens num_tokens token_count n_tokens length char_count word_count turn num_turns
n_turns title name description comment comments note notes remark remarks meta metadata extra extras info vectors
status keywords origin provenance source tag 分类 类别 类型 领域 主题 任务 语言 日期 时间 创建时间 难度
备注 链接 网址 数据集 出处
标题 来源
"""
HARMLESS = frozenset([*ROW_IDS, *HARMLESS_NAMES.split()])  # docs/formats.md has the list
BEARING_NAMES = """
label rating rate score reward grade rank ranking preference prefer preferred better best worse worst winner win won
loser choice chosen choose selected rejected reject accepted accept approved approve verdict judge judged judgment
judgement vote voted upvote downvote like dislike thumb feedback star correct correctness incorrect helpful
helpfulness honest honesty harmful harmless harmlessness harm safe safety unsafe toxic toxicity quality desirable
undesirable kto good bad positive negative coherence complexity verbosity truthfulness usefulness relevance fluency
evaluation eval critique image img picture photo pixel audio speech sound video multimodal tool function reasoning
reason thinking thought cot rationale scratchpad think system persona context passage document background knowledge
history weight margin confidence mask loss train training probability logprob response answer completion candidate
generation output
"""
BEARING_WORDS = frozenset(BEARING_NAMES.split())
NEUTRAL_ENDINGS = frozenset(
    ["id", "ids", "hash", "idx", "index", "url", "tokens", "length", "date", "time", "timestamp"]
)
BEARING_CHINESE = re.compile(
    "标签|标注|评分|打分|得分|分数|奖励|安全|有害|无害|投票|胜者|获胜|赢家|更好|较好|偏好|优选|选中|采纳|拒绝|点赞|评价|评级|等级|星级|质量"
    "|正确|有用|满意|图片|图像|照片|截图|音频|语音|视频|工具|函数|推理|思考|思维|系统|上下文|背景|材料|文档|知识|权重|置信|回答|回复|答案"
)
WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
VERDICTS = """
left right first second a b tie draw equal same both_bad neither none win lose won lost loss good bad better worse yes
no y n pass fail positive negative correct incorrect chosen rejected accept reject accepted desirable undesirable safe
unsafe up down like dislike thumbsup thumbsdown thumbs_up thumbs_down a>b b>a a=b [[a]] [[b]] [[c]] 1.0 0.0 2.0 0 1 2
-1 true false 平局 都不好 都好 左 右 好 坏 是 否 对 错 赞 踩 优 劣 胜 负 相同 一样
"""
VERDICT_WORDS = frozenset(VERDICTS.split())
NAMED_ANSWER = re.compile(r"(?i)(model|response|answer|output|completion|candidate|assistant)[ _-]?[a-d0-4]")
IMAGE_URL = re.compile(r"(?i)(data:image/|(https?://|[\w./-]*)[^\s]*\.(png|jpe?g|gif|webp|bmp|tiff?|svg)(\?[^\s]*)?$)")
TELLING_SHARE = 0.9  # of a column's values; above it the column says something of the answers
LONGEST_VERDICT = 40  # characters


@lru_cache(maxsize=2048)
def is_harmless(name: str) -> bool:
    """Whether a column of this name is kept as metadata."""
    return name.strip().lower().replace("-", "_").replace(" ", "_") in HARMLESS


@lru_cache(maxsize=2048)
def is_neutral(name: str) -> bool:
    """Whether a name ends as that of an id, an address, a number or a time does."""
    words = WORDS.findall(name)
    return bool(words) and words[-1].lower() in NEUTRAL_ENDINGS


@lru_cache(maxsize=2048)
def is_bearing(name: str) -> bool:
    """Whether the name of a column says that it bears on learning.

    >>> [name for name in ("isSafe", "reward_model", "评分", "colour", "scores") if is_bearing(name)]
    ['isSafe', 'reward_model', '评分', 'scores']
    """
    words = [word.lower() for word in WORDS.findall(name)]
    if is_neutral(name):
        return False
    singular = {word.removesuffix("s") for word in words}
    return bool({*words, *singular} & BEARING_WORDS) or bool(BEARING_CHINESE.search(name))


def is_empty(value: object) -> bool:
    """Whether a cell holds nothing."""
    return value in (None, "", [], {})


def is_telling(value: object, row: Row) -> bool:
    """Whether a value looks like a verdict on the row's answers, or is the address of a picture."""
    if isinstance(value, bool):
        return True
    if isinstance(value, int | float):
        return value in (0, 1, 2)
    if not isinstance(value, str):
        return False
    text = value.strip()
    if len(text) <= LONGEST_VERDICT and (text.lower() in VERDICT_WORDS or NAMED_ANSWER.fullmatch(text)):
        return True
    if IMAGE_URL.match(text):
        return True
    return len(row.responses) > 1 and any(value == response.text for response in row.responses)


def is_repeated(value: object, row: Row) -> bool:
    """Whether a value only says again what the reader has read: the prompt, the only answer, or the chosen one."""
    if isinstance(value, list) and value and isinstance(value[-1], dict):
        value = value[-1].get("content", value[-1].get("value"))
    if not isinstance(value, str):
        return False
    text = value.strip()
    if text == row.prompt.instruction.strip():
        return True
    if len(row.responses) == 1:
        return text == get_last_words(row.responses[0])
    return row.kind == JUDGED and any(
        vote.verdict == "left" and text == get_last_words(row.responses[vote.pair[0]]) for vote in row.votes
    )


def get_last_words(answer: Response) -> str:
    """The text of an answer, of one of several turns the last, without blanks at its ends."""
    return (answer.turns[-1][1] if answer.turns else answer.text).strip()


@dataclass(slots=True)
class ColumnProfile:
    """What the rows of a file hold in a column that is not read. Counts are of rows with a value."""

    rows: int = 0
    telling: int = 0
    repeated: int = 0

    def add(self, value: object, row: Row) -> None:
        """Counts the value of one row."""
        self.rows += 1
        if is_repeated(value, row):
            self.repeated += 1
        elif is_telling(value, row):
            self.telling += 1


MESSAGE_WEIGHT = "[].weight"  # of a message; a weight of 0 is a warning
HEAD = re.compile(r"[^.\[]*")


@dataclass
class Leftovers:
    """The columns of one file that its reader does not read, and the fields within those that it reads, by their paths.

    ignored: columns that the person who imports gives up.
    kept: columns that are kept as metadata because that person says so.
    known: columns of the format whose inner fields it knows: those that it passes over are not named.
    """

    ignored: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()
    profiles: dict[str, ColumnProfile] = field(default_factory=dict)

    def is_metadata(self, path: str) -> bool:
        """Whether a column, or a field of an object, goes into the row's metadata; fields of items of lists do not."""
        if path in self.ignored or "[]" in path:
            return False
        head, _, last = path.rpartition(".")
        return path in self.kept or is_harmless(last) or bool(head and is_harmless(get_head(path)))

    def is_known(self, path: str) -> bool:
        """Whether the format knows a field within a column, and passes it over."""
        head = get_head(path)
        return head != path and head in self.known

    def add(self, path: str, value: object, row: Row) -> None:
        """Counts a value that was not read."""
        profile = self.profiles.get(path)
        if profile is None:
            profile = self.profiles[path] = ColumnProfile()
        profile.add(value, row)

    def get_unread(self) -> dict[str, int]:
        """{path: rows that have it} of the fields that are neither read nor kept."""
        return {path: profile.rows for path, profile in self.profiles.items() if profile.repeated < profile.rows}

    def get_blocking(self) -> list[str]:
        """The fields that bear on learning, are not read and are not ignored: they stop the import."""
        return [path for path in self.get_unread() if not self.is_ignored(path) and self.is_bearing_field(path)]

    def is_ignored(self, path: str) -> bool:
        """Whether a field, or the column that it is in, is given up."""
        return path in self.ignored or get_head(path) in self.ignored

    def is_bearing_field(self, path: str) -> bool:
        """Whether a field bears on learning, by its name or by more than nine in ten of its values."""
        last = path.rpartition(".")[2]
        if path.endswith(MESSAGE_WEIGHT) or ("[]" in path and is_harmless(last)):
            return False
        profile = self.profiles[path]
        if is_neutral(last) and not is_bearing(last[: last.rfind(WORDS.findall(last)[-1])]):
            return False
        return is_bearing(last if last != path else path) or profile.telling > TELLING_SHARE * profile.rows


def get_head(path: str) -> str:
    """The column that a path begins with.

    >>> get_head("messages[].weight")
    'messages'
    """
    match = HEAD.match(path)
    return match[0] if match else path
