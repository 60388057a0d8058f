"""Pauses: nothing more for one person in one dataset, nothing lost, overlap exact, and an export without them."""

import json

import pytest
from django.test import Client

from annotate.judging.forms import Act
from annotate.judging.question_spec import asked_of
from annotate.judging.record import record, save, undo
from annotate.models import Membership
from annotate.pauses import is_paused, pause, resume
from annotate.queue.fast_path import judgment_of
from annotate.queue.lease import next_judgment
from datasets.bundles.archive import Settings, make_bundle
from datasets.comparisons.gold import make_gold
from datasets.exports.export import Export
from datasets.exports.selection import EVERY, UNPAUSED, Filters
from datasets.models import Judgment
from tests.conftest import person, wide
from tests.test_at_once import in_threads
from tests.test_queue import counters_hold
from tests.test_short_way import recount_holds


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def boss(admin):
    return signed_in(admin)


def states(user):
    return sorted(Judgment.objects.filter(annotator=user).values_list("state", flat=True))


@pytest.mark.django_db
@pytest.mark.parametrize("back", ["annotators", "record"])
def test_a_button_of_the_admin_pauses_and_lets_go_on(pairs, boss, alice, bob, back):
    record(next_judgment(alice, pairs), 0, "left")
    held = next_judgment(alice, pairs)
    pages = {"annotators": "/datasets/demo/people/", "record": "/datasets/demo/people/record/?person=account%3Aalice"}
    form = {"person": alice.pk, "back": back}
    assert 'value="pause"' in boss.get(pages[back]).content.decode()
    answer = boss.post("/datasets/demo/people/pause/", form | {"act": "pause"}, follow=True)
    page = answer.content.decode()
    assert answer.redirect_chain == [(pages[back], 302)]
    assert "alice gets nothing more here." in page
    assert '<span class="tag">paused</span>' in page
    assert 'value="resume"' in page
    assert states(alice) == ["expired", "saved"]
    assert next_judgment(bob, pairs)
    assert signed_in(alice).get("/annotate/demo/").context["judgment"] is None
    boss.post("/datasets/demo/people/pause/", form | {"act": "resume"})
    assert signed_in(alice).get("/annotate/demo/").context["judgment"].pk
    assert held.pk
    assert counters_hold(pairs)


@pytest.mark.django_db
def test_others_get_what_was_in_hand_at_once(make_dataset, alice, bob):
    dataset = make_dataset(wide(1))
    next_judgment(alice, dataset)
    assert next_judgment(bob, dataset) is None
    pause(alice, dataset)
    assert next_judgment(bob, dataset)
    assert counters_hold(dataset)


@pytest.mark.django_db
def test_the_paused_get_nothing_whatever_they_ask_for_and_are_told_kindly(pairs, alice):
    browser, other = signed_in(alice), person("dora")
    record(next_judgment(alice, pairs), 0, "left")
    record(next_judgment(alice, pairs), 0, "skip")
    saved, skipped = Judgment.objects.order_by("pk")
    pause(alice, pairs)
    page = browser.get("/annotate/demo/").content.decode()
    assert "A pause for you" in page
    assert "data-all-done" in page
    assert 'data-keys="KeyU" hidden' in page
    ahead = browser.post("/annotate/demo/ahead/", headers={"Accept": "application/json"}).json()
    assert ("next" in ahead, "A pause for you" in ahead["done"]) == (False, True)
    for judgment in (saved, skipped):
        form = {"judgment": judgment.pk, "revision": judgment.revision}
        assert browser.post("/annotate/demo/undo/", form, follow=True).status_code == 200
        assert not undo(judgment, judgment.revision)
    assert states(alice) == ["saved", "skipped"]
    assert "Judge it again" not in browser.get(f"/annotate/demo/history/{saved.pk}/").content.decode()
    assert "A pause for you" not in signed_in(other).get("/annotate/demo/").content.decode()


@pytest.mark.django_db
def test_the_paused_do_not_practise(pairs, alice, admin):
    mine = next_judgment(admin, pairs)
    record(mine, 0, "left")
    mine.refresh_from_db()
    make_gold(mine, for_practice=True)
    type(pairs).objects.update(practice=1)
    assert signed_in(alice).get("/annotate/demo/practice/").status_code == 200
    pause(alice, pairs)
    page = signed_in(alice).get("/annotate/demo/practice/", follow=True)
    assert "A pause for you" in page.content.decode()


@pytest.mark.django_db
def test_a_pause_is_of_one_dataset(pairs, make_dataset, alice):
    other = make_dataset(wide(1), slug="other")
    kept = next_judgment(alice, other)
    pause(alice, pairs)
    assert (is_paused(alice, pairs), is_paused(alice, other)) == (True, False)
    assert next_judgment(alice, other).pk == kept.pk


@pytest.mark.django_db
@pytest.mark.parametrize("given_back", [True, False])
def test_a_verdict_on_its_way_is_kept_and_brings_nothing_more(make_dataset, alice, bob, given_back):
    dataset = make_dataset(wide(3))
    judgment = next_judgment(alice, dataset)
    if given_back:
        pause(alice, dataset)
    else:  # it comes before its lease is given back
        Membership.objects.update(paused_at=judgment.leased_at)
    mine = judgment_of(alice, dataset, judgment.pk)
    saved = save(mine, 0, Act("left"), asked_of(dataset, 2), leasing=True)
    assert (saved.changed, saved.next) == (True, None)
    pause(alice, dataset)
    assert states(alice) == ["saved"]
    while theirs := next_judgment(bob, dataset):
        record(theirs, 0, "right")
    assert Judgment.objects.votes().count() == 3
    assert counters_hold(dataset)
    assert recount_holds(dataset)


@pytest.mark.django_db(transaction=True)
def test_pausing_in_the_middle_of_judging_keeps_overlap_exact(make_dataset):
    """Ten judge without a pause while half of them are paused, and half of these go on."""
    dataset = make_dataset(wide(40), overlap=3, kept_ready=2)
    crowd, asked = [person(f"p{i}") for i in range(10)], asked_of(dataset, 2)

    def work(user):
        have = next_judgment(user, dataset)
        while have:
            done = save(judgment_of(user, dataset, have.pk), 0, Act("left"), asked, leasing=True)
            have = done.next

    in_threads(*[lambda u=u: work(u) for u in crowd], *[lambda u=u: pause(u, dataset) for u in crowd[::2]])
    assert not Judgment.objects.filter(annotator__in=crowd[::2], state="leased").exists()
    assert counters_hold(dataset)
    for user in crowd[:4:2]:
        resume(user, dataset)
    in_threads(*[lambda u=u: work(u) for u in crowd])
    votes = Judgment.objects.votes()
    per_comparison = {}
    for comparison, surplus in votes.values_list("comparison", "surplus"):
        per_comparison.setdefault(comparison, []).append(surplus)
    assert {len(said) - sum(said) for said in per_comparison.values()} == {3}
    assert len(per_comparison) == 40
    assert counters_hold(dataset)
    assert recount_holds(dataset)


# --- looking, and exporting ------------------------------------------------------------------------------------------


@pytest.fixture
def said(make_dataset, alice, bob):
    """Six pairs that alice and bob judged alike; bob is paused."""
    dataset = make_dataset(wide(6), overlap=2)
    for user in (alice, bob):
        while judgment := next_judgment(user, dataset):
            record(judgment, 0, "left" if judgment.order[0] == min(judgment.order) else "right")
    pause(bob, dataset)
    return dataset


@pytest.mark.django_db
def test_lists_mark_what_the_paused_judged(said, boss, alice, bob):
    for path, tags in (
        ("judgments/", 6),
        ("judgments/?person=account:alice", 0),
        ("people/", 1),
        ("people/record/", 6),
    ):
        page = boss.get(f"/datasets/demo/{path}").content.decode()
        assert page.count('<span class="tag">paused</span>') == tags, path


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "rows", "left_out"), [
    ("dpo", 6, {"paused": 6}), ("kto", 12, {"paused": 12}), ("alpaca", 6, {"paused": 6}),
    ("judgments-csv", 6, {"paused": 6}), ("judgments-parquet", 6, {"paused": 6}),
])  # fmt: skip
def test_an_export_can_leave_them_out_and_says_how_many(said, name, rows, left_out):
    export = Export(said, name, Filters(mode=EVERY, paused=UNPAUSED))
    list(export.pieces())
    assert (export.account()["rows"], {k: n for k, n in export.account()["left_out"].items() if k == "paused"}) == (
        rows, left_out,
    )  # fmt: skip


@pytest.mark.django_db
def test_page_command_and_api_take_the_same_filter(said, boss, admin, run_command, tmp_path):
    target = str(tmp_path / "out.jsonl")
    of_all = run_command("export_dataset", "demo", "--format=dpo", "--mode=every", f"--output={target}")[1]
    without = run_command(
        "export_dataset", "demo", "--format=dpo", "--mode=every", "--paused=without", f"--output={target}"
    )
    assert (of_all["rows"], without[1]["rows"], without[1]["left_out"]) == (12, 6, {"paused": 6})
    file = b"".join(boss.get("/datasets/demo/export/dpo/?mode=every&paused=without").streaming_content)
    assert len([json.loads(line) for line in file.splitlines()]) == 6
    page = boss.get("/datasets/demo/export/?format=dpo&mode=every&paused=without").content.decode()
    assert "by people who are paused" in page
    assert boss.get("/datasets/demo/export/dpo/?paused=maybe").status_code == 400


@pytest.mark.django_db(transaction=True)
def test_a_bundle_accounts_for_them_in_its_manifest(said):
    manifest = make_bundle(said, Settings(Filters(mode=EVERY, paused=UNPAUSED))).manifest
    assert (manifest["settings"]["paused"], manifest["left_out"]["paused"]) == ("without", 6)


@pytest.mark.django_db
def test_the_command_pauses_and_resumes(pairs, alice, run_command):
    next_judgment(alice, pairs)
    paused = {"dataset": "demo", "annotator": "alice", "paused": True, "changed": True}
    assert run_command("pause_annotator", "demo", "alice")[:2] == (0, paused)
    assert run_command("pause_annotator", "demo", "alice")[1] == paused | {"changed": False}
    assert states(alice) == ["expired"]
    assert run_command("pause_annotator", "demo", "alice", "--resume")[1] == paused | {"paused": False}
    assert run_command("pause_annotator", "demo", "nobody")[0] == 2
    assert run_command("pause_annotator", "none", "alice")[0] == 2
    assert next_judgment(alice, pairs)
