"""The audit log: each act has a line in the same transaction, and no line contains a secret."""

import csv
import io
import json

import pytest
from django.core.management import call_command
from django.db import DatabaseError
from django.test import Client
from django.urls import reverse
from django.utils.translation import override

from annotate import people, practice
from annotate.judging.forms import Submission
from annotate.judging.record import record, undo
from annotate.models import User
from annotate.pauses import pause, resume
from annotate.queue.lease import lease_next
from datasets.audit import listing
from datasets.audit import log as audit_log
from datasets.audit.delete_dataset import delete_dataset
from datasets.audit.log import Kind, log
from datasets.comparisons import flags
from datasets.comparisons.gold import create_gold, delete_gold
from datasets.forms import SettingsForm
from datasets.imports.undo import undo_import
from datasets.models import Change, Comparison, Dataset, Import, Judgment
from tests.conftest import build_rows
from tests.test_api import Script

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss(admin):
    """The admin's browser."""
    client = Client()
    client.force_login(admin)
    return client


def list_changes(*kinds):
    """[(by, slug, kind, what, before, after)], oldest first."""
    found = Change.objects.filter(kind__in=kinds) if kinds else Change.objects
    return list(found.order_by("pk").values_list("by_name", "slug", "kind", "what", "before", "after"))


@pytest.fixture
def demo(pairs):
    """Twelve comparisons; their creation is removed from the log."""
    Change.objects.all().delete()
    return pairs


def build_settings_form(dataset, **changed):
    """The fields that the settings page posts."""
    form = SettingsForm(instance=dataset)
    values = {name: form[name].value() for name in form.fields} | changed
    return {name: "" if value is None else value for name, value in values.items() if value is not False}


def judge_next(person, dataset, verdict, said=None):
    judgment = lease_next(person, dataset)
    record(judgment, judgment.revision, verdict, said)
    return Judgment.objects.get(pk=judgment.pk)


def judge_again(judgment, verdict, said=None):
    undo(judgment, judgment.revision)
    judgment.refresh_from_db()
    record(judgment, judgment.revision, verdict, said)
    judgment.refresh_from_db()


# --- settings and members --------------------------------------------------------------------------------------------


def test_the_pages_of_a_dataset_tell_who_changed_what_from_what_to_what(demo, boss, alice, bob):
    demo.annotators.set([alice])
    boss.post("/datasets/demo/task/queue/", build_settings_form(demo, overlap=3))
    boss.post("/datasets/demo/annotators/", {"annotators": [bob.pk]})
    boss.post("/datasets/demo/task/guidelines/", {"guideline": "Look well."})
    assert list_changes() == [
        ("admin", "demo", "setting", "overlap", 1, 3),
        ("admin", "demo", "member", "alice", "named", None),
        ("admin", "demo", "member", "bob", None, "named"),
        ("admin", "demo", "guideline", "guideline", None, 1),
    ]


def test_what_stays_as_it_is_leaves_no_line(demo, boss):
    for page in ("settings", "task/queue", "annotators", "task/guidelines"):
        assert boss.post(f"/datasets/demo/{page}/", build_settings_form(demo)).status_code == 302
    assert list_changes() == []


def test_the_question_the_command_and_the_api_tell_too(demo, boss, admin, run_command):
    ticks = dict.fromkeys(("allow_tie", "allow_both_bad", "allow_skip"), "on")
    said = {"question": "scale", "criteria": "facts: are right\ntone", "reasons": "off", "kept_ready": "4"}
    boss.post("/datasets/demo/task/", ticks | said)
    run_command("set_dataset", "demo", "--overlap=2", "--question=pair")
    made = {"slug": "fresh", "overlap": 4, "allow_flag": True}
    assert Script(admin, reads=True, writes=True).post(body=made).status_code == 201
    assert list_changes() == [
        ("admin", "demo", "setting", "question", "pair", "scale"),
        ("admin", "demo", "setting", "criteria", [], ["facts", "tone"]),
        ("admin", "demo", "guideline", "guideline", None, 1),
        ("", "demo", "setting", "overlap", 1, 2),
        ("", "demo", "setting", "question", "scale", "pair"),
        ("admin", "fresh", "dataset", "fresh", None, "made"),
        ("admin", "fresh", "setting", "overlap", 1, 4),
        ("admin", "fresh", "setting", "allow_flag", False, True),
    ]


def test_a_form_writes_back_nothing_that_another_admin_changed_since(demo, admin):
    form = SettingsForm(build_settings_form(demo, overlap=2), instance=demo)
    assert form.is_valid()
    Dataset.objects.update(question="scale", guideline_number=7)
    form.save(by=admin)
    assert Dataset.objects.values_list("overlap", "question", "guideline_number").get() == (2, "scale", 7)
    assert list_changes() == [("admin", "demo", "setting", "overlap", 1, 2)]


def test_what_becomes_of_datasets_imports_and_flags_is_told(make_dataset, admin, alice):
    dataset = make_dataset(build_rows(2), allow_flag=True)
    flagged = lease_next(alice, dataset)
    record(flagged, 0, "flag", flag="leak")
    flags.decide(flagged.comparison_id, "flagged", "leave_out", admin)
    flags.decide(flagged.comparison_id, "flagged", "put_back", admin)  # too late: already decided
    make_dataset(build_rows(1), slug="other")
    run = Import.objects.get(slug="other")
    undo_import(run, admin)
    delete_dataset(dataset, admin)
    assert list_changes(Kind.FLAG, Kind.IMPORT, Kind.DATASET) == [
        ("admin", "demo", "flag", str(flagged.comparison_id), "flagged", "leave_out"),
        ("admin", "other", "import", "other.jsonl", run.pk, "undone"),
        ("admin", "demo", "dataset", "demo", None, "deleted"),
    ]


def test_a_dataset_that_an_upload_makes_is_told(admin, tmp_path, run_command):
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(build_rows(1)[0]))
    for _ in range(2):
        run_command("import_dataset", "fresh", str(file))
    assert list_changes() == [("", "fresh", "dataset", "fresh", None, "made")]


def test_the_log_outlives_the_dataset_and_the_people(demo, admin, run_command):
    log(Kind.SETTING, "overlap", 1, 2, by=admin, dataset=demo)
    delete_dataset(demo, admin)
    User.objects.filter(pk=admin.pk).delete()
    assert set(Change.objects.values_list("by", "by_name", "dataset", "slug")) == {(None, "admin", None, "demo")}
    assert run_command("log", "demo")[1] == {"dataset": "demo", "changes": 2}


# --- people ----------------------------------------------------------------------------------------------------------


def test_what_admins_do_with_people_is_told(boss, alice):
    boss.post("/team/invite/", {"name": "dora", "role": "annotator"}, follow=True)
    for act in ({"act": "role", "role": "admin"}, {"act": "role", "role": "admin"}, {"act": "deactivate"}):
        boss.post(f"/team/{alice.pk}/", act)
    for act in ({"act": "deactivate"}, {"act": "reactivate"}, {"act": "reset"}):
        boss.post(f"/team/{alice.pk}/", act, follow=True)
    assert list_changes() == [
        ("admin", "", "person", "dora", None, "annotator"),
        ("admin", "", "person", "dora", None, "link"),
        ("admin", "", "person", "alice", "annotator", "admin"),
        ("admin", "", "person", "alice", "active", "inactive"),
        ("admin", "", "person", "alice", "inactive", "active"),
        ("admin", "", "person", "alice", None, "link"),
    ]


def test_no_password_and_no_link_is_in_the_log(boss, alice, monkeypatch, run_command):
    monkeypatch.setattr("sys.stdin", io.StringIO("s3cret-Horse"))
    run_command("create_user", "alice", "--role", "admin", "--password-stdin")
    link = run_command("invite_user", "dora")[1]["link"]
    shown = boss.post(f"/team/{alice.pk}/link/", follow=True).context["link"]
    assert list_changes() == [
        ("", "", "person", "alice", "annotator", "admin"),
        ("", "", "person", "alice", None, "password"),
        ("", "", "person", "dora", None, "annotator"),
        ("", "", "person", "dora", None, "link"),
        ("admin", "", "person", "alice", None, "link"),
    ]
    everything = json.dumps(list(Change.objects.values("what", "before", "after", "by_name", "slug")))
    assert not any(secret in everything for secret in ("s3cret", link.split("/")[-2], shown.split("/")[-2]))


# --- judgments -------------------------------------------------------------------------------------------------------


def test_a_first_verdict_is_no_change_and_another_in_its_place_is_one(demo, alice):
    judgment = judge_next(alice, demo, "left")
    judge_again(judgment, "left")
    assert list_changes() == []
    judge_again(judgment, "tie")
    judge_again(judgment, "skip")
    assert list_changes() == [
        ("alice", "demo", "judgment", str(judgment.pk), "left", "tie"),
        ("alice", "demo", "judgment", str(judgment.pk), "tie", "skip"),
    ]


def test_other_places_or_stars_are_another_verdict_and_words_are_not(make_dataset, alice):
    criteria = [{"name": "facts", "guideline": ""}]
    dataset = make_dataset(build_rows(1, answers=3), question="rank", most_shown=3, criteria=criteria)
    Change.objects.all().delete()
    facts = {"criteria": {"facts": {"rank": [1, 1, 2]}}}
    judgment = judge_next(alice, dataset, "rank", {"rank": [1, 2, 2], "reason": "long", **facts})
    judge_again(judgment, "rank", {"rank": [1, 2, 2], "reason": "so", **facts})
    judge_again(judgment, "rank", {"rank": [3, 2, 1], **facts})
    before, after = ({"verdict": "rank", "rank": places, **facts} for places in ([1, 2, 2], [3, 2, 1]))
    assert list_changes() == [("alice", "demo", "judgment", str(judgment.pk), before, after)]
    assert list_sentences() == [f"Judgment {judgment.pk}: A > B = C · facts A = B > C → C > B > A · facts A = B > C"]


# --- atomic with the act ---------------------------------------------------------------------------------------------

ACTS = {
    "settings": lambda w: SettingsForm(build_settings_form(w.dataset, overlap=2), instance=w.dataset).save(),
    "role": lambda w: people.change_role(w.alice, "admin"),
    "deactivate": lambda w: people.deactivate(w.alice),
    "invite": lambda w: people.invite("dora", "annotator"),
    "pause": lambda w: pause(w.alice, w.dataset),
    "flag": lambda w: flags.decide(w.flagged, "flagged", "put_back"),
    "judge again": lambda w: record(w.reopened, w.reopened.revision, "right"),
    "skip": lambda w: record(w.reopened, w.reopened.revision, "skip"),
}


@pytest.mark.parametrize("act", ACTS)
def test_an_act_that_cannot_be_told_is_not_done(make_dataset, alice, bob, monkeypatch, act):
    class World:
        dataset = make_dataset(build_rows(3))

    World.alice, World.reopened = alice, judge_next(bob, World.dataset, "left")
    World.flagged = Comparison.objects.exclude(judgments=World.reopened).earliest("pk").pk
    Comparison.objects.filter(pk=World.flagged).update(held="flagged")
    undo(World.reopened, 1)
    World.reopened.refresh_from_db()

    def list_everything():
        rows = [list(model.objects.order_by("pk").values()) for model in (Dataset, User, Judgment, Comparison, Change)]
        return [*rows, list(World.dataset.memberships.order_by("pk").values_list("user", "paused_at"))]

    def refuse(**line):
        raise DatabaseError("full")

    before = list_everything()
    form = act == "settings"
    with monkeypatch.context() as broken:
        broken.setattr(audit_log.Change.objects, "create", refuse)
        with pytest.raises(DatabaseError):
            ACTS[act](World)
    now = list_everything()
    if act == "pause":
        now[-1] = [row for row in now[-1] if row[0] != alice.pk]  # a page view, which is not rolled back
        assert not World.dataset.memberships.filter(paused_at__isnull=False).exists()
    assert now == before
    World.dataset.refresh_from_db() if form else None
    ACTS[act](World)
    assert Change.objects.count() > len(before[4])


# --- viewing it ------------------------------------------------------------------------------------------------------


def list_sentences():
    return [change.sentence for change in listing.list_page(Change.objects.all())[0]]


SENTENCES = [
    ((Kind.SETTING, "overlap", 1, 3), "Annotators per comparison (overlap): 1 → 3", "每组标注人数（重叠数）：1 → 3"),
    ((Kind.SETTING, "allow_tie", True, False), "Allow ties: yes → no", None),
    ((Kind.SETTING, "state", "open", "paused"), "Status: Open → Paused", None),
    ((Kind.SETTING, "criteria", [], ["facts", "tone"]), "Criteria: – → facts, tone", None),
    ((Kind.SETTING, "gone_since", None, 5), "Gone_since: – → 5", None),
    ((Kind.GUIDELINE, "guideline", None, 1), "Guidelines: version 1", "标注规范：版本 1"),
    ((Kind.GUIDELINE, "guideline", 1, 2), "Guidelines: version 1 → 2", None),
    ((Kind.MEMBER, "alice", None, "named"), "alice was assigned", None),
    ((Kind.MEMBER, "alice", None, "paused"), "alice was paused", "alice 已暂停"),
    ((Kind.PERSON, "alice", "annotator", "admin"), "alice: annotator → admin", "alice：标注员 → 管理员"),
    ((Kind.PERSON, "alice", None, "reviewer"), "alice: – → reviewer", None),
    ((Kind.PERSON, "alice", None, "link"), "alice: invite link created", None),
    ((Kind.JUDGMENT, "7", "left", "tie"), "Judgment 7: A is better → Tie", None),
    ((Kind.JUDGMENT, "7", "right3", "skip"), "Judgment 7: B is much better → Skip", None),
    ((Kind.JUDGMENT, "7", "left", {"verdict": "left", "stars": [5, 1]}),
     "Judgment 7: A is better → A is better · A 5 ★ · B 1 ★", None),
    ((Kind.FLAG, "3", "flagged", "leave_out"), "Comparison 3: excluded", None),
    ((Kind.FLAG, "3", "", "asked"), "Comparison 3: sent to review", None),
    ((Kind.IMPORT, "a.jsonl", 4, "undone"), "Import 4 was undone: a.jsonl", None),
    ((Kind.DATASET, "demo", None, "deleted"), "Dataset deleted", "数据集已删除"),
    ((Kind.GOLD, "3", None, "choice"), "Comparison 3: made a gold question", None),
    ((Kind.GOLD, "3", "tie", None), "Comparison 3: removed from gold", None),
    ((Kind.GOLD, "3", None, {"verdict": "tie"}), '3: – → {"verdict": "tie"}', None),
]  # fmt: skip


@pytest.mark.parametrize(("line", "english", "chinese"), SENTENCES, ids=[line[1] for line in SENTENCES])
def test_a_line_is_told_in_a_sentence(line, english, chinese):
    log(*line)
    assert list_sentences() == [english]
    if chinese:
        with override("zh-hans"):
            assert list_sentences() == [chinese]


def test_the_page_is_filtered_and_goes_on_by_key(demo, boss, admin, alice, monkeypatch):
    monkeypatch.setattr(listing, "PAGE_SIZE", 2)
    pause(alice, demo, admin)
    for n in range(5):
        log(Kind.SETTING, "overlap", n, n + 1, by=admin, dataset=demo)
    log(Kind.SETTING, "overlap", 8, 9)
    seen, page = [], boss.get("/datasets/demo/log/")
    while page.context["more"]:
        seen += [change.pk for change in page.context["changes"]]
        log(Kind.SETTING, "overlap", 0, 0, dataset=demo)  # new lines do not shift pages
        page = boss.get(f"/datasets/demo/log/?{page.context['more']}")
    seen += [change.pk for change in page.context["changes"]]
    assert len(seen) == len(set(seen)) == 6
    assert seen == sorted(seen, reverse=True)
    found = {
        query: [change.sentence for change in boss.get(f"/team/log/?{query}").context["changes"]]
        for query in ("person=alice", "kind=member", "person=nobody", "kind=setting&person=admin&before=3")
    }
    assert found["person=alice"] == found["kind=member"] == ["alice was paused"]
    assert found["person=nobody"] == []
    assert boss.get("/team/log/?kind=none").status_code == 422
    assert boss.get("/team/log.csv?kind=none").status_code == 400
    assert boss.get("/team/log/?before=x").status_code == 400


def test_the_page_of_a_dataset_shows_its_own_changes_only_and_leads_to_what_changed(demo, boss, alice, make_dataset):
    other = make_dataset(build_rows(1), slug="other")
    judgment = judge_next(alice, demo, "left")
    judge_again(judgment, "tie")
    log(Kind.SETTING, "overlap", 1, 2, dataset=other)
    html = boss.get("/datasets/demo/log/").content.decode()
    there = reverse("judgment", args=["demo", judgment.pk])
    assert f'<a href="{there}">Judgment {judgment.pk}: A is better → Tie</a>' in html
    assert "overlap" not in html
    assert "per comparison (overlap)" not in html


def test_the_csv_holds_each_line_and_no_formula(demo, boss, admin):
    log(Kind.PERSON, "@cmd", None, "annotator", by=admin)
    log(Kind.SETTING, "chips", ["=1+1"], ['a, "b"'], by=admin, dataset=demo)
    whole = b"".join(boss.get("/team/log.csv").streaming_content).decode()
    rows = [list(row.values())[1:] for row in csv.DictReader(io.StringIO(whole))]
    assert rows == [
        ["admin", "demo", "setting", "chips", '["=1+1"]', json.dumps(['a, "b"'])],
        ["admin", "", "person", "'@cmd", "null", '"annotator"'],
    ]
    own = b"".join(boss.get("/datasets/demo/log.csv?kind=setting").streaming_content).decode()
    assert own.splitlines() == whole.splitlines()[:2]


def test_the_command_prints_json_lines(demo, admin, capsys, run_command):
    log(Kind.SETTING, "overlap", 1, 2, by=admin, dataset=demo)
    log(Kind.MEMBER, "alice", None, "named", dataset=demo)
    capsys.readouterr()
    call_command("log", "demo")
    first, second, summary = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["what"], second["by"], second["after"]) == ("alice", "admin", 2)
    assert summary == {"dataset": "demo", "changes": 2}
    assert run_command("log", "--kind=member")[1] == {"dataset": None, "changes": 1}
    assert run_command("log", "--person=admin")[1]["changes"] == 1
    assert run_command("log", "none")[0] == 2
    assert run_command("log", "--kind=none")[0] == 2


def test_a_known_answer_made_and_taken_back_is_told_and_practising_again_is_not(demo, admin, alice):
    gold = create_gold(judge_next(admin, demo, "left"), for_practice=True, by=admin)
    Dataset.objects.update(practice=1, practice_pass=100)
    demo.refresh_from_db()
    for verdict in ("right", "tie"):  # at least one of them is wrong
        tried = practice.ensure_judgment(alice, gold)
        practice.save_answer(tried, tried.revision, Submission(verdict))
        practice.begin_again(alice, demo)
    delete_gold(gold, admin)
    assert [line[2:] for line in list_changes()] == [
        ("gold", str(gold.comparison_id), None, "choice"),
        ("gold", str(gold.comparison_id), "choice", None),
    ]


def test_resuming_and_pausing_twice_are_told_once(demo, admin, alice):
    for act in (pause, pause, resume, resume):
        act(alice, demo, admin)
    assert list_changes() == [
        ("admin", "demo", "member", "alice", None, "paused"),
        ("admin", "demo", "member", "alice", "paused", None),
    ]
