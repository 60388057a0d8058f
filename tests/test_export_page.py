"""The export page and its releases: page, download, release and command give the same rows under every filter."""

import io
import shlex
import zipfile
from datetime import UTC, datetime

import pytest
from django.core.management import call_command

from annotate.judging.record import record
from annotate.pauses import pause
from annotate.queue.lease import lease_next
from datasets.bundles import snapshots
from datasets.bundles.archive import Settings, make_bundle
from datasets.exports.command import build_command
from datasets.exports.forms import FilterForm
from datasets.exports.selection import Filters
from datasets.formats import OTHER, get_writable_formats, list_trainers
from datasets.models import Judgment, Snapshot
from datasets.views import exports
from tests.conftest import build_rows
from tests.test_annotate import parse_page
from tests.test_export import DAYS, VOTES, build_judged_row

pytestmark = pytest.mark.django_db(transaction=True)  # a bundle reads a snapshot, in its own transaction

PAGE = "/datasets/demo/export/"
ODD = "-o'hara; $(id) 中"


@pytest.fixture
def boss(client, admin):
    client.force_login(admin)
    return client


@pytest.fixture
def demo(make_dataset, alice, bob):
    """Votes of imported names, of alice, who is paused, and of bob, who flagged; a decision; tags; long answers."""
    dataset = make_dataset(build_rows(2), criteria=[{"name": "style", "guideline": ""}], overlap=2, allow_flag=True)
    record(lease_next(alice, dataset), 0, "left", {"criteria": {"style": {"verdict": ["right"]}}})
    record(lease_next(bob, dataset), 0, "flag", {"note": ""}, flag="leak")
    pause(alice, dataset)
    long = [build_judged_row("fay", "a", "longer", "b", f"Long {n}") for n in range(2)]
    odd = [build_judged_row(ODD, "b", prompt="Odd"), build_judged_row("gus", "a", prompt="Tagged") | {"tags": ["x"]}]
    make_dataset([*VOTES, *long, *odd])
    imported = Judgment.objects.exclude(imported_by="")
    for name, day in DAYS.items():
        imported.filter(imported_by=name).update(decided_at=datetime(2026, 3, day, 12, tzinfo=UTC))
    imported.filter(imported_by="cid").update(purpose="decision")
    imported.filter(imported_by="ann").first().choices.update(strength=3)
    return dataset


@pytest.fixture
def ranked(make_dataset, alice):
    dataset = make_dataset(build_rows(1, answers=4), question="rank", most_shown=4)
    record(lease_next(alice, dataset), 0, "rank", {"rank": [1, 2, 3, 4]})
    return dataset


def read_stream(answer):
    return b"".join(answer.streaming_content)


def run_shown(page, field, format_name):
    """The command in a field of the page, run: the bytes of the file, or of a format's file in the archive."""
    words = shlex.split(page.find("textarea", id=field).text)
    assert words[:2] == ["manage.py", "export_dataset"]
    call_command(*words[1:])
    with open(words[-1], "rb") as file:
        content = file.read()
    return open_member(content, format_name) if words[-1].endswith(".zip") else content


def open_member(content, format_name):
    archive = zipfile.ZipFile(io.BytesIO(content))
    path = f"{format_name}.jsonl"
    return archive.read(path) if path in archive.namelist() else b""


def check_alike(boss, fields, tmp_path, monkeypatch):
    """Page, download, release and both commands of the page give the same rows; returns the file."""
    monkeypatch.chdir(tmp_path)
    fields = {"format": "dpo", "dialects": "dpo", "split": "100,0,0"} | fields
    answer = boss.get(PAGE, fields | {"exact": "1"})
    page = parse_page(answer)
    file = read_stream(boss.get(boss.get(PAGE, fields | {"download": "1"})["Location"]))
    n = file.count(b"\n")
    assert " ".join(page.find("p", **{"class": "sum"}).text.split()).startswith(f"{n} row")
    assert run_shown(page, "of-file", "dpo") == file
    assert run_shown(page, "of-release", "dpo") == file
    made_before = Snapshot.objects.count()
    boss.post("/datasets/demo/bundles/", fields)
    assert Snapshot.objects.count() == made_before + 1
    release = Snapshot.objects.first()
    assert open_member(b"".join(snapshots.iter_content(release)), "dpo") == file
    of_release = parse_page(boss.get(f"/datasets/demo/bundles/{release.number}/"))
    assert run_shown(of_release, "of-release", "dpo") == file
    return file


CASES = [
    {"mode": "every"}, {"mode": "soft"}, {"annotator": "ann"}, {"annotator": ["ann", "fay"]}, {"annotator": ODD},
    {"since": "2026-03-05"}, {"until": "2026-03-04"}, {"until": "2026-03-02T11:59:59.5+08:00"},
    {"min-agreement": "0.7"},
    {"min-strength": "2"}, {"min-votes": "2"}, {"tags": "x, y"}, {"flags": "without"}, {"paused": "without"},
    {"decisions": "first"}, {"decisions": "only"}, {"length": "balanced"}, {"criterion": "style"},
    {"with": ["source", "id"]},
    {"mode": "every", "since": "2026-03-01", "until": "2026-03-02", "annotator": ["ann", "bob"]},
]  # fmt: skip


def test_page_download_release_and_command_give_the_same_rows(boss, demo, tmp_path, monkeypatch, subtests):
    unfiltered = read_stream(boss.get(f"{PAGE}dpo/"))
    for fields in CASES:
        with subtests.test(str(fields)):
            file = check_alike(boss, fields, tmp_path, monkeypatch)
            assert file != unfiltered, "the filter has an effect"


@pytest.mark.parametrize("ranks", ["adjacent", "best-rest", "best-worst"])
def test_so_do_the_pairs_of_a_ranking(boss, ranked, tmp_path, monkeypatch, ranks):
    file = check_alike(boss, {"ranks": ranks}, tmp_path, monkeypatch)
    assert file.count(b"\n") < 6 == read_stream(boss.get(f"{PAGE}dpo/")).count(b"\n")


@pytest.mark.usefixtures("demo")
def test_every_filter_is_among_these_cases():
    tested = {name.replace("-", "_") for case in CASES for name in case} | {"ranks"}
    assert set(FilterForm.base_fields) <= tested


def test_the_command_of_each_format_writes_the_file_of_the_page(boss, demo, tmp_path, monkeypatch, subtests):
    monkeypatch.chdir(tmp_path)
    for name in sorted(get_writable_formats()):
        with subtests.test(name):
            fields = {"format": name, "mode": "every", "with": "id", "for-spreadsheets": "1", "min-votes": ""}
            page = parse_page(boss.get(PAGE, fields))
            file = read_stream(boss.get(boss.get(PAGE, fields | {"download": "1"})["Location"]))
            assert run_shown(page, "of-file", name) == file
            assert len(list(page.find_all("textarea"))) == 2


def test_the_command_names_only_what_is_set(demo):
    form = FilterForm(demo, {"mode": "majority", "until": "2026-03-04", "min-votes": "3"})
    assert form.is_valid()
    told = build_command(demo, "dpo", form.cleaned_data)
    assert told == "manage.py export_dataset demo --format dpo --until 2026-03-04 --min-votes 3 --output demo-dpo.jsonl"


def test_nothing_is_told_to_be_run_where_a_filter_is_wrong(boss, demo):
    page = parse_page(boss.get(f"{PAGE}?format=dpo&min-agreement=7"))
    assert not list(page.find_all("textarea"))
    (fold,) = page.find_all("details")
    assert fold.has("open", True)
    no_formats = parse_page(boss.get(f"{PAGE}?format=dpo&split=80,10,10"))
    assert [field["id"] for field in no_formats.find_all("textarea")] == ["of-file"]


def test_filters_are_folded_and_counted(boss, demo):
    for query, words in (("", "Filters"), ("?mode=majority&tags=", "Filters"), ("?mode=every&tags=x", "Filters (2)")):
        (fold,) = parse_page(boss.get(PAGE + query)).find_all("details")
        assert not fold.has("open", True)
        assert " ".join(fold.find("summary").text.split()) == words


# --- trainers ---------------------------------------------------------------------------------------------------------


def read_choice(page):
    """(the trainer, its formats, the chosen one) on the page."""
    radios = list(page.find_all("input", type="radio", name="format"))
    chosen = [radio["value"] for radio in radios if radio.has("checked", True)]
    return page.find("button", aria_pressed="true")["value"], [radio["value"] for radio in radios], chosen


@pytest.mark.parametrize(
    ("query", "trainer", "chosen"),
    [
        ("", "trl", "dpo"),
        ("?trainer=axolotl", "axolotl", "dpo-chatml"),
        ("?format=dpo-swift", "ms-swift", "dpo-swift"),
        ("?format=dpo&trainer=axolotl", "axolotl", "dpo"),
        ("?format=dpo-swift&trainer=trl", "ms-swift", "dpo-swift"),
        ("?trainer=trl&format=dpo&min-votes=2&trainer=openai", "openai", "dpo-openai"),
        ("?trainer=trl&format=messages&trainer=openai", "openai", "messages"),
        ("?trainer=nobody", "trl", "dpo"),
    ],
)
def test_a_trainer_is_chosen_first_and_then_one_of_its_formats(boss, demo, query, trainer, chosen):
    found, names, checked = read_choice(parse_page(boss.get(PAGE + query)))
    assert (found, checked) == (trainer, [chosen])
    assert names == next(names for name, names in list_trainers().items() if name.lower() == trainer)


def test_every_format_is_read_by_a_trainer():
    assert {name for names in list_trainers().values() for name in names} == set(get_writable_formats())
    assert OTHER not in list_trainers()


def test_a_format_that_names_no_trainer_is_among_the_others(boss, demo, monkeypatch):
    monkeypatch.delattr(get_writable_formats()["dpo-swift"], "TRAINERS")
    monkeypatch.setattr(get_writable_formats()["kto"], "TRAINERS", {"NewTrainer": "--kto"})
    list_trainers.cache_clear()
    try:
        page = parse_page(boss.get(f"{PAGE}?format=dpo-swift"))
        assert read_choice(page) == ("other", ["dpo-swift"], ["dpo-swift"])
        page = parse_page(boss.get(f"{PAGE}?trainer=newtrainer"))
        assert read_choice(page) == ("newtrainer", ["kto"], ["kto"])
        assert "--kto" in page.text
    finally:
        list_trainers.cache_clear()


# --- releases ---------------------------------------------------------------------------------------------------------


def read_table(section):
    cells = (
        [cell.text.strip() for cell in row.find_all() if cell.tag in ("th", "td")] for row in section.find_all("tr")
    )
    return list(cells)


def test_a_release_shows_what_it_was_made_with(boss, demo):
    fields = {"format": "dpo", "min-votes": "2", "mode": "every", "until": "2026-03-04", "annotator": ["ann", "bob"]}
    fields |= {"dialects": ["dpo", "alpaca"], "split": "50,25,25", "with": "id"}
    boss.post("/datasets/demo/bundles/", fields)
    page = parse_page(boss.get("/datasets/demo/bundles/1/"))
    assert page.find("h1").text == "Release demo-1"
    manifest = Snapshot.objects.get().manifest
    made_with = read_table(page.find("section", aria_labelledby="made-with"))
    assert made_with[:-1] == [
        ["Aggregation", "Every judgment"],
        ["Annotators", "ann, bob"],
        ["To", "2026-03-04"],
        ["Min. votes per pair", "2"],
        ["Split: train / validation / test (%)", "50 / 25 / 25"],
        ["Extra columns", "id"],
    ]
    head, *rows = read_table(page.find("section", aria_labelledby="holds"))
    assert head == ["Format", "train", "validation", "test", "Total"]
    assert [row[0] for row in rows] == ["dpo", "alpaca"]
    for row in rows:
        assert sum(map(int, row[1:4])) == int(row[4]) == manifest["dialects"][row[0]]["rows"]
    when = Snapshot.objects.get().made_at.strftime("%Y-%m-%d %H:%M")
    assert when in page.text
    assert sum("main" in element.attributes.get("class", "").split() for element in page.find_all()) == 1


def test_a_release_without_filters_says_so(boss, demo):
    make_bundle(demo, Settings(shares=(100, 0, 0)))
    page = parse_page(boss.get("/datasets/demo/bundles/1/"))
    assert read_table(page.find("section", aria_labelledby="made-with"))[0] == ["Filters", "none"]
    assert read_table(page.find("section", aria_labelledby="holds"))[0] == ["Format", "train", "Total"]


def test_a_release_is_compared_with_the_previous_one(boss, demo):
    for filters in (Filters(), Filters(tags=("x",)), Filters()):
        make_bundle(demo, Settings(filters))

    def read_caption(path):
        captions = list(parse_page(boss.get(f"/datasets/demo/bundles/{path}")).find_all("caption"))
        return captions[0].text if captions else None

    assert read_caption("3/") == "From demo-2 to demo-3"
    assert read_caption("2/") == "From demo-1 to demo-2"
    assert read_caption("2/?with=3") == "From demo-2 to demo-3", "from the older one, wherever one comes from"
    assert read_caption("1/") is None, "nothing came before"


def test_two_releases_are_read_once_to_be_compared(boss, demo, monkeypatch, settings):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "releases"}}
    for _ in range(2):
        make_bundle(demo, Settings())
    first = boss.get("/datasets/demo/bundles/2/").content
    monkeypatch.setattr(exports, "compare_snapshots", None)
    assert b"From demo-1 to demo-2" in first
    assert b"From demo-1 to demo-2" in boss.get("/datasets/demo/bundles/2/").content
