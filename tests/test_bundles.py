"""Bundles: their contents, their permanence, and the difference between two."""

import csv
import hashlib
import io
import json
import zipfile
from collections import Counter

import pytest
import yaml
from django.core.management import call_command
from django.test import Client
from markdown_it import MarkdownIt

from annotate.judging.record import record, undo
from annotate.queue.lease import lease_next
from datasets.bundles import card as bundle_card
from datasets.bundles import snapshots
from datasets.bundles.archive import DIALECTS, Lengths, Settings, get_dialects, make_bundle
from datasets.bundles.snapshots import compare_snapshots, iter_content
from datasets.exports.export import Export
from datasets.exports.selection import EVERY, SOFT, Filters
from datasets.models import Judgment, Snapshot, SnapshotPart
from datasets.text.one_line import flatten_text
from tests.conftest import build_rows

pytestmark = pytest.mark.django_db(transaction=True)  # a bundle reads a snapshot, in its own transaction


def create_judged_dataset(make_dataset, people, n=40, **settings):
    """A dataset of n prompts where these people prefer the answer with the lower number, except on every fifth."""
    dataset = make_dataset(build_rows(n), overlap=len(people), **settings)
    for person in people:
        while judgment := lease_next(person, dataset):
            first = judgment.order[0] == min(judgment.order)
            contrary = person is people[0] and judgment.comparison_id % 5 == 0
            record(judgment, 0, "left" if first != contrary else "right")
    return dataset


def open_archive(snapshot):
    return zipfile.ZipFile(io.BytesIO(b"".join(iter_content(snapshot))))


def read_lines(archive, name):
    return archive.read(name).decode().splitlines()


def test_a_bundle_holds_each_dialect_in_parts_and_all_adds_up(make_dataset, alice, bob):
    dataset = create_judged_dataset(make_dataset, [alice, bob])
    kept = make_bundle(dataset, Settings(), "admin")
    archive, manifest = open_archive(kept), kept.manifest
    assert json.loads(archive.read("manifest.json")) == manifest
    assert set(manifest["files"]) == set(archive.namelist()) - {"manifest.json"}
    for name, about in manifest["files"].items():
        data = archive.read(name)
        assert (len(data), hashlib.sha256(data).hexdigest()) == (about["bytes"], about["sha256"])
        assert "rows" not in about or about["rows"] == data.count(b"\n")
    for dialect in DIALECTS:
        parts = {about["part"] for about in manifest["files"].values() if about.get("dialect") == dialect}
        assert parts == {"train", "validation", "test"}
        export = Export(dataset, dialect)
        whole = sorted(b"".join(export.iter_pieces()).splitlines(keepends=True))
        names = [bundle_card.get_member_path(dialect, part, is_split=True) for part in parts]
        assert sorted(line for name in names for line in archive.read(name).splitlines(keepends=True)) == whole
        account = export.build_account()
        about = manifest["dialects"][dialect]
        assert (about["rows"], about["left_out"]) == (account["rows"], account["left_out"])
    assert manifest["counts"] == {"prompts": 32, "responses": 64, "pairs": 32, "skips": 0, "flags": 0}
    assert manifest["left_out"] == {"split": 16}
    assert (manifest["votes_alike"], manifest["votes_unlike"]) == (32, 8)
    assert manifest["flip_rate"] == pytest.approx((1 - 0.6**0.5) / 2)
    assert manifest["characters"]["prompt"] == {"longest": 10, "p95": 10}
    assert manifest["made_by"] == "admin"


def test_all_dialects_put_a_prompt_in_the_same_part(make_dataset, alice):
    kept = make_bundle(create_judged_dataset(make_dataset, [alice]), Settings(dialects=tuple(get_dialects())))
    archive, places = open_archive(kept), {}
    for row in csv.DictReader(io.StringIO(archive.read("pairs.csv").decode())):
        places[row["begins"]] = row["part"]
    for name, about in kept.manifest["files"].items():
        for line in read_lines(archive, name) if "dialect" in about else ():
            (prompt,) = [begins for begins in places if f'"{begins}"' in line]
            assert places[prompt] == about["part"]
    assert set(places.values()) == {"train", "validation", "test"}


def test_more_rows_move_no_prompt_to_another_part(make_dataset, alice):
    dataset = create_judged_dataset(make_dataset, [alice])
    before = open_archive(make_bundle(dataset, Settings()))
    make_dataset(build_rows(90))
    create_judged_dataset(make_dataset, [alice], 90)
    after = open_archive(make_bundle(dataset, Settings()))
    for part in ("train", "validation", "test"):
        name = f"data/dpo/{part}.jsonl"
        assert set(read_lines(before, name)) < set(read_lines(after, name))


def test_without_parts_each_dialect_is_one_file(make_dataset, alice):
    dataset = create_judged_dataset(make_dataset, [alice], 5)
    kept = make_bundle(dataset, Settings(dialects=("dpo", "alpaca"), shares=(100, 0, 0)))
    archive = open_archive(kept)
    assert archive.read("dpo.jsonl") == b"".join(Export(dataset, "dpo").iter_pieces())
    assert archive.read("alpaca.jsonl") == b"".join(Export(dataset, "alpaca").iter_pieces())
    assert "trl-kto.yaml" not in archive.namelist()


def test_a_snapshot_stays_the_same_whatever_happens(make_dataset, alice, bob, admin):
    dataset = create_judged_dataset(make_dataset, [alice, bob])
    kept = make_bundle(dataset, Settings())
    browser = Client()
    browser.force_login(admin)

    def download():
        return b"".join(browser.get(f"/datasets/demo/bundles/{kept.number}/archive/").streaming_content)

    before = download()
    last = Judgment.objects.filter(annotator=alice).latest("decided_at")
    undo(last, last.revision)
    last.refresh_from_db()
    record(last, last.revision, "tie")
    create_judged_dataset(make_dataset, [bob], 50)
    bob.judgments.all().delete()
    bob.delete()
    assert download() == before
    assert hashlib.sha256(before).hexdigest() == kept.sha256
    assert len(before) == kept.size


def test_two_snapshots_of_the_same_data_differ_in_nothing_but_the_time(make_dataset, alice):
    dataset = create_judged_dataset(make_dataset, [alice], 5)
    one, other = make_bundle(dataset, Settings()), make_bundle(dataset, Settings())
    files = [snapshot.manifest["files"] for snapshot in (one, other)]
    assert {name for name in files[0] if files[0][name] != files[1][name]} == {"README.md"}
    assert (one.number, other.number) == (1, 2)


def test_what_differs_between_two_snapshots(make_dataset, alice, bob):
    dataset = create_judged_dataset(make_dataset, [alice], 10)
    settings = Settings(shares=(100, 0, 0))
    old = make_bundle(dataset, settings)
    changed, gone = Judgment.objects.filter(annotator=alice).order_by("pk")[:2]
    for judgment, verdict in ((changed, "right" if changed.verdict == "left" else "left"), (gone, "tie")):
        undo(judgment, judgment.revision)
        judgment.refresh_from_db()
        record(judgment, judgment.revision, verdict)
    create_judged_dataset(make_dataset, [bob], 13)
    new = make_bundle(dataset, settings)
    found = compare_snapshots(old, new)
    assert (found.added, found.changed, found.removed) == (3, 1, 1)
    assert found.examples["changed"] == [changed.comparison.prompt.instruction]
    assert found.examples["removed"] == [gone.comparison.prompt.instruction]
    back = compare_snapshots(new, old)
    assert (back.added, back.changed, back.removed) == (1, 1, 3)
    same = compare_snapshots(old, old)
    assert (same.added, same.changed, same.removed) == (0, 0, 0)


def test_of_one_row_a_judgment_each_is_counted(make_dataset, alice):
    dataset = create_judged_dataset(make_dataset, [alice], 5)
    settings = Settings(Filters(mode=EVERY), shares=(100, 0, 0))
    old = make_bundle(dataset, settings)
    texts = [(f"Prompt {n}?", f"Answer 0 to {n}.", f"Answer 1 to {n}.") for n in range(5)]
    said = [dict(zip(("prompt", "chosen", "rejected"), text, strict=True)) for text in texts]
    make_dataset([row | {"annotator": name} for row in said for name in ("eve", "mallory")])
    assert compare_snapshots(old, make_bundle(dataset, settings)).added == 10


def test_an_archive_in_many_parts_comes_back_whole(make_dataset, alice, monkeypatch):
    monkeypatch.setattr(snapshots, "PART", 100)
    kept = make_bundle(create_judged_dataset(make_dataset, [alice], 5), Settings())
    assert SnapshotPart.objects.filter(snapshot=kept).count() == -(-kept.size // 100)
    assert open_archive(kept).testzip() is None


def test_one_that_is_not_whole_is_not_there(make_dataset, admin, alice, monkeypatch):
    dataset = create_judged_dataset(make_dataset, [alice], 3)

    def fail(*args, **options):
        raise OSError("no space left")

    monkeypatch.setattr(SnapshotPart.objects, "bulk_create", fail)
    with pytest.raises(OSError, match="no space"):
        make_bundle(dataset, Settings())
    browser = Client()
    browser.force_login(admin)
    assert browser.get("/datasets/demo/bundles/1/").status_code == 404
    assert "demo-1" not in browser.get("/datasets/demo/export/").content.decode()
    monkeypatch.undo()
    Snapshot.objects.update(made_at="2020-01-01T00:00Z")
    assert make_bundle(dataset, Settings()).number == 1, "what was left is gone"


def test_the_rows_that_a_dialect_does_not_take_are_listed(make_dataset):
    turns = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": "Why?"},
    ]
    said = [{"role": "assistant", "content": "Because."}], [{"role": "assistant", "content": "No idea."}]
    dataset = make_dataset([{"prompt": turns, "chosen": said[0], "rejected": said[1]}])
    archive = open_archive(make_bundle(dataset, Settings(dialects=("dpo", "dpo-text", "alpaca"), shares=(100, 0, 0))))
    found = [json.loads(line) for line in read_lines(archive, "left-out.jsonl")]
    assert [(row["dialect"], row["reason"]) for row in found] == [
        ("dpo-text", "needs_history"),
        ("alpaca", "needs_history"),
    ]
    assert found[0]["chosen"] == "Because."
    assert found[0]["prompt"]["instruction"] == "Why?"


def test_the_first_row_fills_every_column_and_is_no_date(make_dataset):
    rows = [{"prompt": f"When {n}?", "chosen": f"2024-01-{n:02}", "rejected": "2024-02-02"} for n in range(1, 9)]
    turns = [["Hi", "Yes?"]]
    rows.append({"instruction": "Why?", "input": "", "chosen": "So.", "rejected": "No.", "history": turns})
    dataset = make_dataset(rows[:-1])
    make_dataset(rows[-1:])
    archive = open_archive(make_bundle(dataset, Settings(dialects=("dpo-alpaca",), shares=(100, 0, 0))))
    found = [json.loads(line) for line in read_lines(archive, "dpo-alpaca.jsonl")]
    assert (found[0]["instruction"], found[0]["history"]) == ("Why?", turns)
    assert [row["instruction"] for row in found[1:]] == [f"When {n}?" for n in range(1, 9)]
    assert archive.read("dpo-alpaca.jsonl") == b"".join(Export(dataset, "dpo-alpaca").iter_pieces())


def test_balanced_in_each_part(make_dataset, alice):
    rows = [
        {"prompt": f"Why {n}?", "chosen": "Because. " * (1 + n % 4), "rejected": f"No {n} idea."} for n in range(120)
    ]
    dataset = make_dataset(rows)
    kept = make_bundle(dataset, Settings(Filters(balanced=True), dialects=("dpo-text",)))
    archive = open_archive(kept)
    for part in ("train", "validation", "test"):
        found = [json.loads(line) for line in read_lines(archive, f"data/dpo-text/{part}.jsonl")]
        longer = Counter(len(row["chosen"]) > len(row["rejected"]) for row in found)
        assert longer[True] == longer[False] > 0
    assert kept.manifest["counts"]["pairs"] + kept.manifest["left_out"]["balance"] == 120


def test_soft_labels_are_declared_in_the_card(make_dataset, alice, bob):
    dataset = create_judged_dataset(make_dataset, [alice, bob], 5)
    archive = open_archive(make_bundle(dataset, Settings(Filters(mode=SOFT), shares=(100, 0, 0))))
    row = json.loads(read_lines(archive, "dpo.jsonl")[0])
    assert (row["votes_chosen"], row["votes_total"]) == (2, 2)
    head = archive.read("README.md").decode().split("---")[1]
    infos = json.loads(next(line for line in head.splitlines() if line.startswith("dataset_info")).partition(": ")[2])
    for info in infos:
        columns = {feature["name"] for feature in info["features"]}
        first = json.loads(read_lines(archive, f"{info['config_name']}.jsonl")[0])
        assert columns == set(first)


def test_every_dialect_of_a_bundle_has_its_columns_declared():
    assert set(bundle_card.FEATURES) == set(get_dialects())
    assert set(DIALECTS) <= set(get_dialects())
    assert set(bundle_card.ENTRIES) <= set(get_dialects())


def test_lengths():
    lengths = Lengths()
    assert lengths.build_summary() == {"longest": 0, "p95": 0}
    lengths.times.update(range(1, 101))
    assert lengths.build_summary() == {"longest": 100, "p95": 95}


@pytest.mark.parametrize(
    ("alike", "unlike", "rate", "smoothing"),
    [(0, 0, None, 0.0), (5, 5, 0.5, 0.0), (50, 50, 0.5, 0.45), (82, 18, 0.1, 0.1), (100, 0, 0.0, 0.0)],
)
def test_label_smoothing_is_the_measured_flip_rate(alike, unlike, rate, smoothing):
    value, said = bundle_card.estimate_smoothing({"flip_rate": rate, "votes_alike": alike, "votes_unlike": unlike})
    assert value == smoothing
    assert str(unlike) in said


@pytest.mark.parametrize(
    ("wanted", "unwanted", "weights"),
    [(10, 10, (1.0, 1.0)), (10, 40, (4.0, 1.0)), (30, 10, (1.0, 3.0)), (0, 5, (1.0, 1.0))],
)
def test_kto_weights_make_both_labels_count_the_same(wanted, unwanted, weights):
    assert bundle_card.compute_weights({"labels": {"true": wanted, "false": unwanted}}) == weights


HOSTILE_NAMES = [
    "<script>alert(1)</script> & <img src=x onerror=y> &lt;",
    "[x](javascript:alert(1)) ![i](http://evil.example/i.png) `code` *a* _b_ **c** ~~d~~ | $x$ # #",
    "one\n\n---\n\n## two\r\n<b>\tthree\x00\x1b[31m\u2028four\u202egnp",
    "支持：客服 «réponses» 😀 a-b_c (2026)",
]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_name_is_text_in_a_card_and_no_markup(make_dataset, alice, name):
    kept = make_bundle(create_judged_dataset(make_dataset, [alice], 4), Settings(), "a_b_c")
    card = bundle_card.render_card({**kept.manifest, "name": name}).decode()
    _, head, body = card.split("---\n", 2)
    plain = flatten_text(name)
    assert yaml.safe_load(head)["pretty_name"] == plain
    heading, text, _close, _open, made = MarkdownIt("gfm-like", {"html": True, "linkify": False}).parse(body)[:5]
    assert (heading.tag, [(token.type, token.content) for token in merge_text(text)]) == ("h1", [("text", plain)])
    assert "by a_b_c" in merge_text(made)[0].content


def merge_text(inline):
    """The tokens of a line, with adjacent text tokens merged."""
    text = {"text", "text_special", "softbreak"}
    if all(token.type in text for token in inline.children):
        inline.children[0].type, inline.children[0].content = "text", "".join(one.content for one in inline.children)
        return inline.children[:1]
    return inline.children


def test_numbers_are_numbers_in_yaml():
    assert [bundle_card.format_yaml(value) for value in (5e-07, 0.1, 2.0, 3, "a: b", True)] == [
        "0.0000005", "0.1", "2.0", "3", '"a: b"', "true",
    ]  # fmt: skip


def test_the_command_makes_and_keeps_one(make_dataset, alice, run_command, tmp_path):
    create_judged_dataset(make_dataset, [alice], 5)
    path = tmp_path / "b.zip"
    status, summary, _ = run_command(
        "export_dataset", "demo", "--format=bundle", f"--output={path}", "--dialects=dpo,kto", "--split=100,0,0"
    )
    assert status == 0
    assert (summary["rows"], summary["snapshot"]) == (5, 1)
    assert summary["dialects"]["kto"]["rows"] == 10
    assert hashlib.sha256(path.read_bytes()).hexdigest() == summary["sha256"] == Snapshot.objects.get().sha256
    assert {"dpo.jsonl", "kto.jsonl", "dataset_info.json", "README.md", "manifest.json"} <= set(
        zipfile.ZipFile(path).namelist()
    )


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--dialects=csv", "csv"),
        ("--split=80,10", "add up to 100"),
        ("--split=90,10,10", "add up to 100"),
        ("--split=a,b,c", "add up to 100"),
    ],
)
def test_nonsense_is_said(make_dataset, run_command, option, words):
    make_dataset(build_rows(1))
    status, _, said = run_command("export_dataset", "demo", "--format=bundle", option)
    assert status == 2
    assert words in said
    status, _, said = run_command("export_dataset", "demo", "--format=dpo", option)
    assert (status, "go with --format bundle" in said) == (2, True)


def test_an_empty_dataset_makes_a_bundle_without_rows(make_dataset):
    kept = make_bundle(make_dataset(build_rows(2)), Settings())
    assert kept.manifest["counts"]["pairs"] == 0
    assert json.loads(open_archive(kept).read("dataset_info.json")) == {}


def test_on_the_page(make_dataset, alice, admin):
    create_judged_dataset(make_dataset, [alice], 5)
    browser = Client()
    browser.force_login(admin)
    form = {"dialects": ["alpaca", "dpo"], "split": "50,25,25", "min-strength": "1"}
    answer = browser.post("/datasets/demo/bundles/", form, follow=True)
    assert answer.redirect_chain[-1][0] == "/datasets/demo/bundles/1/"
    manifest = Snapshot.objects.get().manifest
    assert manifest["settings"]["dialects"] == ["dpo", "alpaca"], "the first is the card's default"
    assert manifest["settings"]["shares"] == {"train": 50, "validation": 25, "test": 25}
    assert manifest["made_by"] == "admin"
    archive = zipfile.ZipFile(io.BytesIO(b"".join(browser.get("/datasets/demo/export/bundle/").streaming_content)))
    assert "data/kto/train.jsonl" in archive.namelist()
    assert Snapshot.objects.count() == 1, "what is only asked for is not kept"
    assert "Tick at least one" in browser.post("/datasets/demo/bundles/", {}, follow=True).content.decode()
    wrong = browser.post("/datasets/demo/bundles/", form | {"split": "1,1,1"}, follow=True).content.decode()
    assert "add up to 100" in wrong
    assert browser.get("/datasets/demo/bundles/1/?with=x").status_code == 200
    assert browser.get("/datasets/demo/bundles/1/?with=9").status_code == 404


def test_a_backup_takes_snapshots_along(make_dataset, alice, tmp_path):
    kept = make_bundle(create_judged_dataset(make_dataset, [alice], 3), Settings())
    path = tmp_path / "backup.zip"
    call_command("backup", str(path))
    with zipfile.ZipFile(path) as backup:
        parts = [json.loads(line) for line in read_lines(backup, "tables/datasets.snapshotpart.jsonl")]
    assert len(parts) == kept.parts.count() > 0
