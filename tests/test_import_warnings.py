"""Warnings about rows: shown before people judge, and left out if the admin decides so."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from datasets import reasons
from datasets.formats.rows import CANDIDATES, DEMONSTRATION, PROMPT, Prompt, Response, Row
from datasets.imports import check as imports_check
from datasets.imports import spool
from datasets.imports import spool as imports_spool
from datasets.imports.warnings import (
    ALL,
    CONTROL,
    CUT,
    DIALOGUE,
    NAMES,
    PLACEHOLDER,
    REPEATS,
    SAME,
    find_warnings,
    parse_warnings,
)
from datasets.models import Import
from datasets.models import Prompt as Kept
from tests.conftest import build_rows

LONG = "This answer goes on and on, in one sentence after the other, without saying very much at all. " * 3


def build_row(*texts, prompt="Why?", sources=(), kind=CANDIDATES):
    named = [*sources, *[""] * len(texts)]
    return Row(Prompt(prompt), tuple(Response(text, source) for text, source in zip(texts, named, strict=False)), kind)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["Because.", "No idea."], {}),
        (["Because.", "Because."], {SAME: [1]}),
        (["Because.", " Because.\n", "No."], {SAME: [1]}),
        (["As ChatGPT, I cannot know.", "No."], {NAMES: [0]}),
        (["No.", "I am GPT-4, made by OpenAI."], {NAMES: [1]}),
        (["我是通义千问。", "不知道。"], {NAMES: [0]}),
        (["A gemination of consonants.", "He met Claudette."], {}),
        (["The GPT2-style head", "no"], {}),
        ([f"{LONG}And then it was", "No."], {CUT: [0]}),
        ([f"{LONG}And then it was over and everybody who had come went home again,", "No."], {CUT: [0]}),
        (
            [
                f"{LONG}And then it was over.",
                f"{LONG}\n- one\n- a rather long last item of a list without any stop at all",
            ],
            {},
        ),
        (["```python\nprint(1)", "```python\nprint(1)\n```"], {CUT: [0]}),
        (["too short to tell", "even so"], {}),
    ],
)
def test_what_is_odd(texts, expected):
    assert find_warnings(build_row(*texts)) == expected


def test_an_answer_that_names_its_own_source():
    assert find_warnings(build_row("I am Birch 7b!", "No.", sources=["lab/birch 7b", "x"])) == {NAMES: [0]}
    assert find_warnings(build_row("A.", "No.", sources=["a", "no"])) == {}, "too short a name"


def test_an_answer_that_begins_with_the_prompt():
    prompt = "Name the three largest moons of Jupiter, please."
    assert find_warnings(build_row(f"You asked: {prompt} Ganymede.", "Ganymede.", prompt=prompt)) == {REPEATS: [0]}
    assert find_warnings(build_row("Why? Because.", "Ganymede.", prompt="Why?")) == {}


def test_answers_of_demonstrations_are_not_compared():
    assert find_warnings(build_row("As ChatGPT, I know.", "Hi", "Hi", kind=DEMONSTRATION)) == {}


@pytest.mark.parametrize(
    "text",
    [
        "Hi <|im_end|>",
        "<|im_start|>user\n你好<|im_end|>",
        "<|eot_id|>No",
        "<|endoftext|>",
        "<|start_header_id|>user",
        "<|begin_of_text|>Hi",
        "你好<|assistant|>",
        "<|User|>Hi",
        "<｜User｜>你好<｜Assistant｜>",
        "好的。<｜end▁of▁sentence｜>",
        "[INST] Why? [/INST]",
        "<<SYS>>Be kind.<</SYS>>",
        "<start_of_turn>user",
        "好的<end_of_turn>",
        "Yes</s>",
        "<s>Yes",
        "<s>A whole text</s>",
        "<s>Human: Hi</s><s>Assistant: Yes</s>",
        "你好<eos>",
        "[gMASK]<sop>你好",
        "<reserved_106>你好",
        "[TOOL_CALLS]",
    ],
)
def test_control_tokens(text):
    assert find_warnings(build_row("Yes.", f"{text}", kind=DEMONSTRATION)) == {CONTROL: [1]}
    prompt = Prompt("Why?", text, text, (("user", text), ("assistant", text)))
    assert find_warnings(Row(prompt, (), PROMPT)) == {CONTROL: [-2, -3, -4, -5]}


@pytest.mark.parametrize(
    ("text", "has_warning"),
    [
        ("<think>Two moons.</think>Phobos.", True),
        ("Two moons.</think>Phobos.", True),
        ("<THINKING>Two</THINKING> Phobos.", True),
        ("◁think▷两个。◁/think▷火卫一。", True),
        ("I think: a <thinkpad> has <b>no</b> moons.", False),
    ],
)
def test_reasoning_between_tags(text, has_warning):
    expected = {"thinking": [1]} if has_warning else {}
    assert find_warnings(build_row("Yes.", text, kind=DEMONSTRATION)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "a <s>good</s> bad idea",
        "<s>struck</s>, she said",
        "这是<s>删掉的</s>文字",
        "a <| b |> c, x <|> y, 1 <|x, [inst]",
        "use std::vec<s32>; a[i]<<s",
        "<strong>bold</strong> and <small>small</small>, <source>",
        "the padding token, the end of turn, 结束符",
    ],
)
def test_no_control_tokens(text):
    assert find_warnings(build_row(text, "No.", prompt=text, kind=DEMONSTRATION)) == {}


@pytest.mark.parametrize(
    "text",
    [
        "<image>What is this?",
        "<image>\n图里是什么？",
        "<IMAGE> and <Image 2>",
        "Look: <video>",
        "<audio>路径.wav</audio>",
        "<img>cat.jpg</img>",
        "<|image|>Hi",
        "<|vision_start|><|image_pad|><|vision_end|>",
        "<|AUDIO|>",
        "<image_placeholder>",
        "这是什么？[图片]",
        "【图片】这是什么？",
        "[IMG] A cat",
    ],
)
def test_placeholders(text):
    assert find_warnings(build_row("Yes.", kind=DEMONSTRATION, prompt=text)) == {PLACEHOLDER: [-1]}
    assert find_warnings(build_row("Yes.", text)) == {PLACEHOLDER: [1]}


@pytest.mark.parametrize(
    "text",
    [
        '<img src="cat.jpg"> and <image href="a.svg"/> and <video controls src="a.mp4"></video>',
        "<video>\n<source src='a.mp4'>\n</video>",
        "<image><url>https://example.org/a.png</url></image>",
        "![image](cat.png), [image](cat.png), [图片](cat.png), [image]: cat.png",
        "an image, a video, 一张图片, images[0]",
    ],
)
def test_no_placeholders(text):
    assert find_warnings(build_row("Yes.", text, prompt=text, kind=DEMONSTRATION)) == {}


DIALOGUES = [
    "Human: Hi\n\nAssistant: Hello!\n\nHuman: And now?",
    "User: Name a moon.\nAssistant:",
    "### Human: Hi\n### Assistant: Hello!",
    "**User:** Hi\n**Assistant**: Hello!",
    "USER: Hi\nCHATBOT: Hello!",
    "用户：你好\n助手：你好！\n用户：再见",
    "用户: 你好\nAI助手: 你好！",
    "问：火星有几颗卫星？\n答：",
    "问:一加一?\n答:二\n问:二加二?",
    "Q: 1 + 1?\nA: 2\nQ: 2 + 2?\nA:",
    "Question 1: why?\nAnswer 1: so.\nQuestion 2: how?",
]


@pytest.mark.parametrize("text", DIALOGUES)
def test_a_prompt_that_is_a_whole_dialogue(text):
    assert find_warnings(build_row("Yes.", kind=DEMONSTRATION, prompt=text)) == {DIALOGUE: [-1]}
    prompt = Prompt("Why?", text, turns=(("user", text), ("assistant", text)))
    assert find_warnings(Row(prompt, (), PROMPT)) == {DIALOGUE: [-2, -4]}


@pytest.mark.parametrize(
    "text",
    [
        "Question: why?\nAnswer:",
        "问题：为什么？\n回答：",
        "The human: an assistant: what do they say?",
        "User: admin\nPassword: none",
        "Assistant: Hi\nAssistant: Hello",
        "Dear assistant, what would a user say?",
        "Anna: Hi\nBen: Hello\nAnna: Bye",
        "用户说：你好。助手说：你好。",
    ],
)
def test_a_prompt_that_is_no_dialogue(text):
    assert find_warnings(build_row("Yes.", prompt=text)) == {}


def test_a_dialogue_is_no_doubt_in_an_answer_or_a_system_text():
    for text in DIALOGUES[:2]:
        assert find_warnings(Row(Prompt("Why?", system=text), (Response(text),), DEMONSTRATION)) == {}


@pytest.mark.django_db
def test_warnings_of_the_reader_are_counted_with_the_others(run_command, tmp_path):
    turns = [("user", "Hi"), ("assistant", "Hello<|im_end|>"), ("user", "Mail?"), ("assistant", "a@example.com")]
    messages = [{"role": role, "content": text, "weight": n % 2} for n, (role, text) in enumerate(turns)]
    messages[1]["weight"] = 0
    path = tmp_path / "turns.jsonl"
    path.write_text(json.dumps({"messages": messages}) + "\n")
    status, summary, err = run_command("import_dataset", "demo", str(path))
    assert (status, summary["warnings"]) == (0, {"control_tokens": 1, "personal_data": 1, "turn_weight": 1})
    assert "turn_weight: 1 (turns with weight 0: exports do not mask them)" in err
    status, summary, _ = run_command("import_dataset", "other", str(path), "--leave-out=turn_weight", "--mask=all")
    assert (status, summary["refused"], summary["prompts"]) == (0, 1, 0)
    assert summary["warnings"] == {"control_tokens": 1, "personal_data": 1, "turn_weight": 1}


@pytest.fixture
def checked(client, admin):
    """The page of a checked upload of these rows."""

    def check(rows):
        client.force_login(admin)
        file = SimpleUploadedFile("rows.jsonl", "".join(json.dumps(one) + "\n" for one in rows).encode())
        answer = client.post("/datasets/upload/", {"slug": "demo", "files": file, "overlap": 1}, follow=True)
        return answer.redirect_chain[-1][0], answer.content.decode()

    return check


ODD = [
    {"prompt": "Who?", "responses": ["As Claude, I know.", "Nobody."]},
    {"prompt": "When?", "responses": ["Now.", "Now."]},
]


@pytest.mark.django_db
def test_the_admin_is_told_and_decides(client, checked):
    address, page = checked([*build_rows(3), *ODD])
    assert "reveal the model" in page
    assert "As Claude, I know." in page
    assert "rows.jsonl:4" in page
    assert "seem truncated" not in page
    client.post(address, {"decision": "store", "without": ["names_model", "invented"]})
    run = Import.objects.get()
    assert (run.rows, run.refused, run.prompts) == (5, 1, 4)
    assert not Kept.objects.filter(instruction="Who?").exists()
    page = client.get(address).content.decode()
    assert "Excluded by the person who" in page
    assert "As Claude" in page


@pytest.mark.django_db
def test_nothing_is_left_out_unless_asked(client, checked):
    address, _ = checked([*build_rows(3), *ODD])
    client.post(address, {"decision": "store"})
    run = Import.objects.get()
    assert (run.rows, run.refused, run.prompts) == (5, 0, 5)


@pytest.mark.django_db
def test_all_may_be_left_out(client, checked):
    address, _ = checked(ODD)
    client.post(address, {"decision": "store", "without": ["names_model", "same_answers"]})
    run = Import.objects.get()
    assert (run.rows, run.refused, run.prompts) == (2, 2, 0)


@pytest.mark.django_db
def test_where_nothing_is_odd_nothing_is_said(checked):
    assert "Check before annotation starts" not in checked(build_rows(3))[1]


# --- near-duplicates --------------------------------------------------------------------------------------------------

RIVER = "Explain in plain words how a river finds its way from the mountains to the sea, and why it bends so often."
SAME_RIVER = RIVER.replace("in plain", "in simple")
ANSWER = (
    "Water flows downhill. " * 3 + "It takes the easiest way, wears away the outer bank of each bend and leaves mud "
)
ANSWER += "at the inner one, so that a small bend grows into a large one until a flood cuts through its neck. " * 2
WITH_SAND = ANSWER.replace("mud", "sand")


def build_wide_row(prompt, *texts):
    return {"prompt": prompt, "responses": list(texts or ("Yes, it does.", "Nobody knows."))}


def build_long_row(prompt, text, source):
    return {"prompt": prompt, "response": text, "source": source}


@pytest.fixture
def looked_at(tmp_path):
    """looked_at(rows, slug): {warning: [(line, text, similar text)]} after the second pass over a file."""

    def look(rows, slug="demo"):
        path = tmp_path / "rows.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        with path.open("rb") as file:
            run = imports_check.check([(path.name, file)], slug, near_duplicates=True)
        looked = spool.Spool(imports_spool.get_spool_path(run))
        found = looked.list_warnings()
        looked.close()
        return {doubt: [tuple(example[1:]) for example in examples] for doubt, (_, examples) in found.items()}

    return look


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([build_wide_row(RIVER), build_wide_row("Why?"), build_wide_row(SAME_RIVER)],
         {"near_prompts": [(3, SAME_RIVER, RIVER)]}),
        ([build_wide_row(RIVER), build_wide_row(RIVER, "other", "texts")], {}),
        ([build_wide_row(RIVER), build_wide_row(RIVER.replace("river", "glacier").replace("sea", "valley"))], {}),
        ([build_wide_row("Why?", ANSWER, WITH_SAND)], {"near_answers": [(1, WITH_SAND, ANSWER)]}),
        ([build_wide_row("Why?", ANSWER, " ".join([*ANSWER.split()[::-1], "."]))], {}),
        ([build_wide_row("Why?", "Because.", "because!")], {"near_answers": [(1, "because!", "Because.")]}),
        ([build_wide_row("Why?", "Because.", "Because.")], {"same_answers": [(1, "Because.", None)]}),
        (
            [build_long_row("Why?", ANSWER, "a"), build_long_row("Who?", "I.", "a"),
             build_long_row("Why?", ANSWER.upper(), "b"), build_long_row("Who?", "U", "b")],
            {"near_answers": [(3, ANSWER.upper(), ANSWER)]},
        ),
        (
            [build_long_row(RIVER, "x", "a"), build_long_row(SAME_RIVER, "x", "a"),
             build_long_row(SAME_RIVER, "y", "b")],
            {"near_prompts": [(2, SAME_RIVER, RIVER), (3, SAME_RIVER, None)]},
        ),
        ([{"instruction": RIVER, "output": "x"}, {"instruction": SAME_RIVER, "output": "y"}], {}),
    ],
)  # fmt: skip
def test_what_nearly_repeats_another_is_told_with_it(looked_at, rows, expected):
    assert looked_at(rows) == expected


@pytest.mark.django_db
def test_what_the_dataset_has_is_told(looked_at, make_dataset):
    vote = {"prompt": "When?", "chosen": "Now.", "rejected": "Later.", "annotator": "eve"}
    make_dataset([build_wide_row(RIVER), build_wide_row("Why?", "Because.", "No idea.")])
    make_dataset([vote])
    assert looked_at([build_wide_row(SAME_RIVER)]) == {"near_prompts": [(1, SAME_RIVER, RIVER)]}
    assert looked_at([build_wide_row("Why?", "No idea.", "Because.")]) == {"stored": [(1, "Why?", None)]}
    assert looked_at([build_wide_row("Why?", "No idea.", "Ask her.")]) == {}
    assert looked_at([build_wide_row(RIVER, "new", "texts")]) == {}, "it is the same prompt, and merges"
    assert looked_at([vote]) == {"stored": [(1, "When?", None)]}
    assert looked_at([{**vote, "annotator": "kim"}]) == {}
    assert looked_at([build_wide_row(SAME_RIVER)], "another dataset") == {}


@pytest.mark.django_db
def test_each_of_several_like_prompts_is_found_however_many_there_are(looked_at, monkeypatch):
    monkeypatch.setattr(spool, "EXAMPLES", 1000)
    words = RIVER.split()
    rows = [build_wide_row(" ".join([*words[:n], f"word{n}", *words[n + 1 :]])) for n in range(len(words))]
    found = looked_at([*build_rows(300), build_wide_row(RIVER), *rows])["near_prompts"]
    assert len(found) >= len(rows) - 1
    assert all(line > 301 and beside for line, _, beside in found)


@pytest.mark.django_db
def test_an_upload_shows_both_and_leaves_them_out(client, checked):
    address, page = checked(
        [build_wide_row(RIVER), build_wide_row(SAME_RIVER), build_wide_row("Why?", ANSWER, WITH_SAND)]
    )
    assert page.count(f'<p class="quiet">similar to</p><pre class="preview" tabindex="0">{RIVER}</pre>') == 1
    assert WITH_SAND in page
    for doubt in ("near_prompts", "near_answers"):
        assert str(reasons.WARNINGS[doubt]) in page
    client.post(address, {"decision": "store", "without": ["near_prompts", "near_answers"]})
    run = Import.objects.get()
    assert (run.rows, run.refused, run.prompts) == (3, 2, 1)


def test_every_doubt_has_its_words():
    assert set(ALL) == set(reasons.WARNINGS)
    assert parse_warnings(["cut_off, near_prompts", "cut_off"]) == ["cut_off", "near_prompts"]
    assert parse_warnings(["all"]) == list(ALL)
    with pytest.raises(ValueError, match="invented"):
        parse_warnings(["invented"])


# --- by command, and by the process that resumes it -------------------------------------------------------------------


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "odd.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in [*build_rows(3), *ODD]), encoding="utf-8")
    return str(path)


@pytest.mark.django_db
def test_a_command_tells_doubts_and_leaves_out_what_it_is_told(run_command, file, tmp_path):
    bad = tmp_path / "bad.jsonl"
    options = ("--leave-out=names_model", f"--refused={bad}")
    status, summary, err = run_command("import_dataset", "demo", file, *options)
    assert (status, summary["rows"], summary["refused"], summary["prompts"]) == (0, 5, 1, 4)
    assert "names_model: 1 (" in err
    assert "same_answers: 1 (identical answers to one prompt)" in err
    assert [json.loads(line)["reason"] for line in bad.open()] == ["left_out"]
    assert run_command("import_dataset", "other", file, "--leave-out=all")[1]["refused"] == 2
    assert run_command("import_dataset", "third", file, "--leave-out=invented")[0] == 2


@pytest.mark.django_db
def test_a_command_that_leaves_rows_out_still_fails_where_others_are_refused(run_command, file):
    with open(file, "a") as rows:
        rows.write(json.dumps({"prompt": "", "responses": ["a", "b"]}) + "\n")
    status, summary, _ = run_command("import_dataset", "demo", file, "--leave-out=all")
    assert (status, summary["prompts"], summary["refused"]) == (1, 0, 1)
    status, summary, _ = run_command("import_dataset", "demo", file, "--leave-out=all", "--skip-bad-rows")
    assert (status, summary["prompts"], summary["refused"]) == (0, 3, 3)


@pytest.mark.django_db
def test_rows_left_out_before_the_process_died_are_counted_when_it_is_taken_up(client, checked, monkeypatch):
    address, _ = checked([*build_rows(3), *ODD])
    run = Import.objects.get()

    def die(*args, **values):
        raise SystemExit

    with monkeypatch.context() as died:
        died.setattr(Import, "save", die)
        with pytest.raises(SystemExit):
            client.post(address, {"decision": "store", "without": ["names_model"]})
    client.post(address, {"decision": "store", "without": ["names_model"]})
    run.refresh_from_db()
    assert (run.state, run.rows, run.refused, run.prompts, run.duplicates) == ("done", 5, 1, 4, 0)
