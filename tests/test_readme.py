"""README.md and README.zh.md: the same order and commands, which run; labels, links and pictures that exist."""

import json
import os
import re
import shlex
import signal
import struct
import subprocess
import sys
from contextlib import contextmanager

import polib
import pytest
from django.conf import settings
from django.core.management import get_commands, load_command_class

from tests.serving import Person, await_server, read_fields

ROOT = settings.BASE_DIR
TEXTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh.md")}
COMMANDS_PAGE = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)]+)\)")
LABEL = re.compile(r"\*\*(.+?)\*\*")
ROWS = [{"prompt": f"Prompt {n}?", "chosen": "Yes.", "rejected": "No."} for n in range(3)]

both = pytest.mark.parametrize("name", TEXTS)


def find_blocks(name, language):
    return [block for found, block in BLOCK.findall(TEXTS[name]) if found == language]


def list_commands(name):
    return [line for block in find_blocks(name, "sh") for line in block.splitlines()]


def list_code(name):
    """The code in the text, and the code blocks in their order without comments."""
    blocks = [re.sub(r" *#.*", "", block) for _language, block in BLOCK.findall(TEXTS[name])]
    return {" ".join(code.split()) for code in re.findall(r"`([^`]+)`", BLOCK.sub("", TEXTS[name]))}, blocks


def list_targets(name):
    """The targets of the links and pictures in their order. A Chinese picture counts as its English one."""
    return [target.replace(".zh.png", ".png") for target in LINK.findall(TEXTS[name])]


@both
def test_a_readme_is_short_and_links_to_the_other_at_the_top(name):
    lines = TEXTS[name].splitlines()
    (other,) = set(TEXTS) - {name}
    assert len(lines) <= 150
    assert f"]({other})" in "\n".join(lines[:5])


def test_both_have_the_same_parts_commands_and_links():
    english, chinese = TEXTS
    levels = [re.findall(r"^(#+) ", BLOCK.sub("", text), re.MULTILINE) for text in TEXTS.values()]
    assert levels[0] == levels[1]
    assert list_commands(english) == list_commands(chinese), "the test below runs those of one"
    assert list_code(english) == list_code(chinese)
    assert list_targets(english)[1:] == list_targets(chinese)[1:]
    steps = [re.findall(r"^(\d)\. ", text, re.MULTILINE) for text in TEXTS.values()]
    assert steps[0] == steps[1]


@both
def test_every_link_and_picture_of_a_readme_exists(name):
    for target in LINK.findall(TEXTS[name]):
        path, _, anchor = target.partition("#")
        assert (ROOT / path).is_file(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in [re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings]


@both
def test_the_pictures_are_pngs_of_a_whole_screen_and_not_large(name):
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", TEXTS[name])
    assert pictures
    for picture in pictures:
        data = (ROOT / picture).read_bytes()
        assert data[:8] == b"\x89PNG\r\n\x1a\n"
        assert struct.unpack(">II", data[16:24]) == (1440, 900)
        assert len(data) <= 250_000


def test_what_is_bold_is_the_label_of_something_on_a_page():
    catalogue = polib.pofile(str(ROOT / "locale/zh_Hans/LC_MESSAGES/django.po"))
    labels = {"README.md": set(), "README.zh.md": set()}
    for entry in catalogue:
        labels["README.md"].add(entry.msgid)
        labels["README.zh.md"] |= {entry.msgstr, *entry.msgstr_plural.values()}
    for name, text in TEXTS.items():
        bold = LABEL.findall(text)
        assert len(bold) > 10
        assert [label for label in bold if label not in labels[name]] == []
    pairs = {(entry.msgid, entry.msgstr) for entry in catalogue}
    assert set(zip(*map(LABEL.findall, TEXTS.values()), strict=True)) <= pairs, "the same labels in the same order"


# The commands


@contextmanager
def make_run(line, environment):
    """`make run` as in the README, without the installation, until the server answers; stopped at the end."""
    command = [*shlex.split(line), "-o", ".venv/installed", f"PY={sys.executable}", f"PORT={environment['PORT']}"]
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, start_new_session=True)
    try:
        await_server(environment["PORT"])
        yield server
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def run_line(line, folder, environment):
    """The lines that a command of a README prints. folder: stands for the checkout, with manage.py and .venv."""
    done = subprocess.run(["sh", "-c", line], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, (line, done.stderr)
    return done.stdout.splitlines()


@pytest.mark.long
def test_the_commands_of_the_readmes_run(place, tmp_path):
    """From an empty database, in their order: the demo's and one's own account sign in, and the export holds rows."""
    served, *lines = list_commands("README.md")
    assert served == "make run"
    assert len(lines) >= 3
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "manage.py").symlink_to(ROOT / "manage.py")
    (checkout / ".venv").symlink_to(sys.prefix)
    (checkout / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    with make_run(served, place):
        assert "/datasets/models/" in Person("admin", place["PORT"]).get("/datasets/")
        for line in lines:
            (*_others, summary) = run_line(line, checkout, place)
            assert json.loads(summary), line
        lead = Person("lead", place["PORT"], "a password")
        assert "/datasets/support/" in lead.get("/datasets/")
    (file,) = {re.search(r'data_files="(.+?)"', find_blocks(name, "python")[0])[1] for name in TEXTS}
    assert len((checkout / file).read_text(encoding="utf-8").splitlines()) == len(ROWS)


@pytest.mark.long
@pytest.mark.once
def test_make_run_without_the_demo_creates_no_accounts(place):
    assert "`make run DEMO=no`" in TEXTS["README.md"]
    with make_run("make run DEMO=no", {**place, "WORKERS": "1", "START_WORKERS": "0"}) as server:
        stranger = Person("admin", place["PORT"])
        fields = read_fields(stranger.get("/accounts/login/")) | {"username": "admin", "password": "demo"}
        assert "create_user NAME" in stranger.post("/accounts/login/", fields)
    assert b"admin / demo" not in server.stdout.read()


@both
def test_the_python_of_a_readme_compiles(name):
    for block in find_blocks(name, "python"):
        compile(block, name, "exec")


# docs/commands.md


def test_every_command_is_documented():
    ours = {name for name, app in get_commands().items() if (ROOT / str(app)).is_dir()}
    table = COMMANDS_PAGE.partition("\n## ")[0]
    named = {
        code.split()[0] for row in re.findall(r"^\| (`.+?) \| ", table, re.M) for code in re.findall(r"`(.+?)`", row)
    }
    assert named == ours


def test_every_option_of_an_export_is_documented():
    parser = load_command_class("datasets", "export_dataset").create_parser("manage.py", "export_dataset")
    options = {option for action in parser._actions for option in action.option_strings if option.startswith("--")}
    common = {"--version", "--verbosity", "--settings", "--pythonpath", "--traceback", "--no-color", "--force-color"}
    common |= {"--skip-checks", "--help"}
    part = COMMANDS_PAGE.partition("## Export")[2]
    assert options - common <= set(re.findall(r"--[\w-]+", part))
    for row in re.findall(r"^\| (`--.+?) \| ", part, re.M):
        assert set(re.findall(r"--[\w-]+", row)) <= options, row
