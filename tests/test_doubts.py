"""What is odd about a row: said before people judge it, and left out where the admin says so."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from datasets.doubts import CUT, NAMES, REPEATS, SAME, doubts
from datasets.formats.rows import CANDIDATES, DEMONSTRATION, Prompt, Response, Row
from datasets.models import Import
from datasets.models import Prompt as Kept
from tests.conftest import wide

LONG = "This answer goes on and on, in one sentence after the other, without saying very much at all. " * 3


def row(*texts, prompt="Why?", sources=(), kind=CANDIDATES):
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
    assert doubts(row(*texts)) == expected


def test_an_answer_that_names_its_own_source():
    assert doubts(row("I am Birch 7b!", "No.", sources=["lab/birch 7b", "x"])) == {NAMES: [0]}
    assert doubts(row("A.", "No.", sources=["a", "no"])) == {}, "too short a name"


def test_an_answer_that_begins_with_the_prompt():
    prompt = "Name the three largest moons of Jupiter, please."
    assert doubts(row(f"You asked: {prompt} Ganymede.", "Ganymede.", prompt=prompt)) == {REPEATS: [0]}
    assert doubts(row("Why? Because.", "Ganymede.", prompt="Why?")) == {}


def test_demonstrations_are_not_looked_at():
    assert doubts(row("As ChatGPT, I know.", kind=DEMONSTRATION)) == {}


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
    address, page = checked([*wide(3), *ODD])
    assert "name a model" in page
    assert "As Claude, I know." in page
    assert "rows.jsonl:4" in page
    assert "seem cut off" not in page
    client.post(address, {"decision": "store", "without": ["names_model", "invented"]})
    run = Import.objects.get()
    assert (run.rows, run.refused, run.prompts) == (5, 1, 4)
    assert not Kept.objects.filter(instruction="Who?").exists()
    page = client.get(address).content.decode()
    assert "Left out by whoever" in page
    assert "As Claude" in page


@pytest.mark.django_db
def test_nothing_is_left_out_unless_asked(client, checked):
    address, _ = checked([*wide(3), *ODD])
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
    assert "Better looked at" not in checked(wide(3))[1]
