"""Pauses: a person gets nothing more of a dataset; nothing is lost, overlap stays exact, exports can leave them out."""

import json

import pytest
from django.test import Client

from annotate.judging.forms import Submission
from annotate.judging.question_spec import build_spec
from annotate.judging.record import record, save, undo
from annotate.models import Membership
from annotate.pauses import is_paused, pause, resume
from annotate.queue.fast_path import find_judgment
from annotate.queue.lease import lease_next
from datasets.bundles.archive import Settings, make_bundle
from datasets.comparisons.gold import create_gold
from datasets.exports.export import Export
from datasets.exports.selection import EVERY, UNPAUSED, Filters
from datasets.models import Judgment
from tests.conftest import build_rows, create_person
from tests.test_concurrent_acts import run_at_once
from tests.test_fast_path import has_right_judged_counts
from tests.test_queue import has_right_counters


def sign_in(user):
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def boss(admin):
    return sign_in(admin)


def list_states(user):
    return sorted(Judgment.objects.filter(annotator=user).values_list("state", flat=True))


@pytest.mark.django_db
@pytest.mark.parametrize("back", ["annotators", "record"])
def test_a_button_of_the_admin_pauses_and_lets_go_on(pairs, boss, alice, bob, back):
    record(lease_next(alice, pairs), 0, "left")
    held = lease_next(alice, pairs)
    pages = {
        "annotators": "/datasets/demo/annotators/",
        "record": "/datasets/demo/judgments/pairs/?person=account%3Aalice",
    }
    form = {"person": alice.pk, "back": back}
    assert 'value="pause"' in boss.get(pages[back]).content.decode()
    answer = boss.post("/datasets/demo/annotators/pause/", form | {"act": "pause"}, follow=True)
    page = answer.content.decode()
    assert answer.redirect_chain == [(pages[back], 302)]
    assert "alice is paused on this dataset" in page
    assert '<span class="tag">paused</span>' in page
    assert 'value="resume"' in page
    assert list_states(alice) == ["expired", "saved"]
    assert lease_next(bob, pairs)
    assert sign_in(alice).get("/annotate/demo/").context["judgment"] is None
    boss.post("/datasets/demo/annotators/pause/", form | {"act": "resume"})
    assert sign_in(alice).get("/annotate/demo/").context["judgment"].pk
    assert held.pk
    assert has_right_counters(pairs)


@pytest.mark.django_db
def test_others_get_what_was_in_hand_at_once(make_dataset, alice, bob):
    dataset = make_dataset(build_rows(1))
    lease_next(alice, dataset)
    assert lease_next(bob, dataset) is None
    pause(alice, dataset)
    assert lease_next(bob, dataset)
    assert has_right_counters(dataset)


@pytest.mark.django_db
def test_the_paused_get_nothing_whatever_they_ask_for_and_are_told_kindly(pairs, alice):
    browser, other = sign_in(alice), create_person("dora")
    record(lease_next(alice, pairs), 0, "left")
    record(lease_next(alice, pairs), 0, "skip")
    saved, skipped = Judgment.objects.order_by("pk")
    pause(alice, pairs)
    page = browser.get("/annotate/demo/").content.decode()
    assert "You are paused on this dataset" in page
    assert "data-all-done" in page
    assert 'data-keys="KeyU" hidden' in page
    ahead = browser.post("/annotate/demo/ahead/", headers={"HX-Request": "true"}).content.decode()
    assert ("data-comparison" in ahead, "You are paused on this dataset" in ahead) == (False, True)
    for judgment in (saved, skipped):
        form = {"judgment": judgment.pk, "revision": judgment.revision}
        assert browser.post("/annotate/demo/undo/", form, follow=True).status_code == 200
        assert not undo(judgment, judgment.revision)
    assert list_states(alice) == ["saved", "skipped"]
    assert "Change" not in browser.get(f"/annotate/demo/history/{saved.pk}/").content.decode()
    assert "You are paused on this dataset" not in sign_in(other).get("/annotate/demo/").content.decode()


@pytest.mark.django_db
def test_the_paused_do_not_practise(pairs, alice, admin):
    mine = lease_next(admin, pairs)
    record(mine, 0, "left")
    mine.refresh_from_db()
    create_gold(mine, for_practice=True)
    type(pairs).objects.update(practice=1)
    assert sign_in(alice).get("/annotate/demo/practice/").status_code == 200
    pause(alice, pairs)
    page = sign_in(alice).get("/annotate/demo/practice/", follow=True)
    assert "You are paused on this dataset" in page.content.decode()


@pytest.mark.django_db
def test_a_pause_is_of_one_dataset(pairs, make_dataset, alice):
    other = make_dataset(build_rows(1), slug="other")
    kept = lease_next(alice, other)
    pause(alice, pairs)
    assert (is_paused(alice, pairs), is_paused(alice, other)) == (True, False)
    assert lease_next(alice, other).pk == kept.pk


@pytest.mark.django_db
@pytest.mark.parametrize("given_back", [True, False])
def test_a_verdict_on_its_way_is_kept_and_brings_nothing_more(make_dataset, alice, bob, given_back):
    dataset = make_dataset(build_rows(3))
    judgment = lease_next(alice, dataset)
    if given_back:
        pause(alice, dataset)
    else:  # it arrives before its lease is returned
        Membership.objects.update(paused_at=judgment.leased_at)
    mine = find_judgment(alice, dataset, judgment.pk)
    saved = save(mine, 0, Submission("left"), build_spec(dataset, 2), leasing=True)
    assert (saved.changed, saved.next) == (True, None)
    pause(alice, dataset)
    assert list_states(alice) == ["saved"]
    while theirs := lease_next(bob, dataset):
        record(theirs, 0, "right")
    assert Judgment.objects.votes().count() == 3
    assert has_right_counters(dataset)
    assert has_right_judged_counts(dataset)


@pytest.mark.django_db(transaction=True)
def test_pausing_in_the_middle_of_judging_keeps_overlap_exact(make_dataset):
    """Ten people judge continuously while half of them are paused, and half of those resume."""
    dataset = make_dataset(build_rows(40), overlap=3, kept_ready=2)
    crowd, asked = [create_person(f"p{i}") for i in range(10)], build_spec(dataset, 2)

    def work(user):
        have = lease_next(user, dataset)
        while have:
            done = save(find_judgment(user, dataset, have.pk), 0, Submission("left"), asked, leasing=True)
            have = done.next

    run_at_once(*[lambda u=u: work(u) for u in crowd], *[lambda u=u: pause(u, dataset) for u in crowd[::2]])
    assert not Judgment.objects.filter(annotator__in=crowd[::2], state="leased").exists()
    assert has_right_counters(dataset)
    for user in crowd[:4:2]:
        resume(user, dataset)
    run_at_once(*[lambda u=u: work(u) for u in crowd])
    votes = Judgment.objects.votes()
    per_comparison = {}
    for comparison, surplus in votes.values_list("comparison", "surplus"):
        per_comparison.setdefault(comparison, []).append(surplus)
    assert {len(said) - sum(said) for said in per_comparison.values()} == {3}
    assert len(per_comparison) == 40
    assert has_right_counters(dataset)
    assert has_right_judged_counts(dataset)


# --- pages and exports -----------------------------------------------------------------------------------------------


@pytest.fixture
def said(make_dataset, alice, bob):
    """Six pairs that alice and bob judged alike; bob is paused."""
    dataset = make_dataset(build_rows(6), overlap=2)
    for user in (alice, bob):
        while judgment := lease_next(user, dataset):
            record(judgment, 0, "left" if judgment.order[0] == min(judgment.order) else "right")
    pause(bob, dataset)
    return dataset


@pytest.mark.django_db
def test_lists_mark_what_the_paused_judged(said, boss, alice, bob):
    for path, tags in (
        ("judgments/", 6),
        ("judgments/?person=account:alice", 0),
        ("annotators/", 1),
        ("judgments/pairs/", 6),
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
    list(export.iter_pieces())
    account = export.build_account()
    assert (account["rows"], {k: n for k, n in account["left_out"].items() if k == "paused"}) == (rows, left_out)


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
    assert "by paused annotators" in page
    assert boss.get("/datasets/demo/export/dpo/?paused=maybe").status_code == 400


@pytest.mark.django_db(transaction=True)
def test_a_bundle_accounts_for_them_in_its_manifest(said):
    manifest = make_bundle(said, Settings(Filters(mode=EVERY, paused=UNPAUSED))).manifest
    assert (manifest["settings"]["paused"], manifest["left_out"]["paused"]) == ("without", 6)


@pytest.mark.django_db
def test_the_command_pauses_and_resumes(pairs, alice, run_command):
    lease_next(alice, pairs)
    paused = {"dataset": "demo", "annotator": "alice", "paused": True, "changed": True}
    assert run_command("pause_annotator", "demo", "alice")[:2] == (0, paused)
    assert run_command("pause_annotator", "demo", "alice")[1] == paused | {"changed": False}
    assert list_states(alice) == ["expired"]
    assert run_command("pause_annotator", "demo", "alice", "--resume")[1] == paused | {"paused": False}
    assert run_command("pause_annotator", "demo", "nobody")[0] == 2
    assert run_command("pause_annotator", "none", "alice")[0] == 2
    assert lease_next(alice, pairs)
