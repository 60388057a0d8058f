"""People: invitations, roles, deactivation, passwords, profiles, hours."""

import csv
import io
import re
import threading
import time
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import AbstractUser
from django.contrib.auth.tokens import default_token_generator
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, override
from playwright.sync_api import expect

from annotate import people
from annotate.hours import iter_csv_lines, iter_hours
from annotate.judging.record import record, undo
from annotate.models import User
from annotate.queue.lease import lease_next
from api.tokens import create_token
from datasets.models import Change, Dataset, Judgment
from tests.conftest import build_rows, create_person
from tests.test_queue import has_right_counters

GOOD = "Correct-horse-7"
ADMIN, ANNOTATOR = User.Role.ADMIN, User.Role.ANNOTATOR


def sign_in(user):
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def boss(admin):
    """The admin's browser."""
    return sign_in(admin)


def build_url(user):
    return reverse("person", args=[user.pk])


def read_words(response):
    """The text of a page, without tags."""
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def open_link(client, link):
    """(page behind an invitation, its final URL after redirects)."""
    response = client.get(link, follow=True)
    return response, response.request["PATH_INFO"]


def find_link(response):
    """The path of the link that an admin's page shows."""
    return urlsplit(re.search(r"http://testserver/accounts/invite/[^<\s]+", response.content.decode())[0]).path


def choose(client, link, password=GOOD):
    _, address = open_link(client, link)
    return client.post(address, {"new_password1": password, "new_password2": password})


def is_signed_in(client):
    return client.get("/").status_code == 200


# --- invitations -----------------------------------------------------------------------------------------------------


def test_an_invited_person_chooses_a_password_and_is_signed_in(boss, client):
    made = boss.post("/team/invite/", {"name": "dora", "role": "annotator"}, follow=True)
    assert made["Cache-Control"].count("no-store") == 1
    link = find_link(made)
    page, address = open_link(client, link)
    assert (page.status_code, "dora" in page.content.decode()) == (200, True)
    done = client.post(address, {"new_password1": GOOD, "new_password2": GOOD})
    assert (done.status_code, done["Location"]) == (302, "/")
    assert is_signed_in(client)
    assert client.get("/").context["user"].username == "dora"
    assert User.objects.get(username="dora").check_password(GOOD)


def test_role_and_datasets_are_set_with_the_invitation(boss, alice, make_dataset):
    listed, other, is_open, archived = (
        make_dataset(build_rows(1), slug=slug) for slug in ("listed", "other", "open", "archived")
    )
    for dataset in (listed, other, archived):
        dataset.annotators.set([alice])
    Dataset.objects.filter(pk=archived.pk).update(state="archived")
    Change.objects.all().delete()
    page = read_words(boss.get("/team/invite/"))
    assert "listed" in page
    assert "open open to all annotators" in page
    assert "archived" not in page
    form = {"name": "rita", "role": "reviewer", "datasets": [listed.pk, is_open.pk]}
    boss.post("/team/invite/", form)
    rita = User.objects.get(username="rita")
    assert (rita.role, list(rita.datasets.all())) == ("reviewer", [listed])
    assert not is_open.annotators.exists(), "it stays open to all"
    found = Change.objects.order_by("pk").values_list("by_name", "slug", "kind", "what", "before", "after")
    assert list(found) == [
        ("admin", "", "person", "rita", None, "reviewer"),
        ("admin", "listed", "member", "rita", None, "named"),
        ("admin", "", "person", "rita", None, "link"),
    ]


def test_a_refused_invitation_keeps_what_was_ticked(boss, alice, pairs):
    pairs.annotators.set([alice])
    refused = boss.post("/team/invite/", {"name": "alice", "role": "reviewer", "datasets": [pairs.pk]})
    assert "This username is taken." in read_words(refused)
    html = refused.content.decode()
    assert re.search(rf'name="datasets" value="{pairs.pk}"[^>]* checked', html)
    assert re.search(r'name="role" value="reviewer"[^>]* checked', html)
    assert boss.post("/team/invite/", {"name": "dora", "role": "annotator", "datasets": [987654]}).status_code == 422


def test_the_command_invites_with_datasets_too(alice, make_dataset, run_command):
    one, two = make_dataset(build_rows(1), slug="one"), make_dataset(build_rows(1), slug="two")
    one.annotators.set([alice])
    said = run_command("invite_user", "dora", "--dataset=one", "--dataset=two")[1]
    assert said["datasets"] == ["one"]
    two.annotators.set([alice])
    assert run_command("invite_user", "dora", "--dataset=two")[1]["datasets"] == ["one", "two"]
    assert run_command("invite_user", "eve", "--dataset=none")[0] == 2
    assert not User.objects.filter(username="eve").exists()


# --- the link's page -------------------------------------------------------------------------------------------------


def get_link_page(user):
    return reverse("person-link", args=[user.pk])


def age_link(user, **ago):
    """Moves the issue of a person's link to the past."""
    at = timezone.now() - timedelta(**ago)
    Change.objects.filter(what=user.username, after="link").update(at=at)


def count_links():
    return Change.objects.filter(after="link").count()


def test_loading_the_page_again_shows_the_same_link_and_issues_none(boss, client, alice):
    assert "No link to show" in read_words(boss.get(get_link_page(alice)))
    assert count_links() == 0
    shown = find_link(boss.post(get_link_page(alice), follow=True))
    assert [find_link(boss.get(get_link_page(alice))) for _ in range(2)] == [shown, shown]
    assert count_links() == 1
    age_link(alice, days=1)
    shown = find_link(boss.get(get_link_page(alice)))
    assert choose(client, shown).status_code == 302


def test_a_new_link_ends_the_old_one(boss, client, alice):
    boss.post(get_link_page(alice))
    age_link(alice, minutes=1)
    old = find_link(boss.get(get_link_page(alice)))
    _, begun = open_link(client, old)
    answer = boss.post(get_link_page(alice))
    assert (answer.status_code, answer["Location"]) == (302, get_link_page(alice))
    new = find_link(boss.get(answer["Location"]))
    assert new != old
    assert Client().get(old).status_code == 410
    assert client.post(begun, {"new_password1": GOOD, "new_password2": GOOD}).status_code == 410
    assert choose(client, new).status_code == 302
    assert User.objects.get(pk=alice.pk).check_password(GOOD)


def test_a_link_of_the_command_ends_older_ones_too(boss, run_command, alice):
    boss.post(get_link_page(alice))
    age_link(alice, minutes=1)
    old = find_link(boss.get(get_link_page(alice)))
    new = run_command("invite_user", "alice")[1]["link"]
    assert [Client().get(link).status_code for link in (old, new)] == [410, 302]


def show_to_another_admin(user, boss):
    return sign_in(create_person("eve", ADMIN))


def use_shown_link(user, boss):
    choose(Client(), find_link(boss.get(get_link_page(user))))
    return boss


def sign_in_instead(user, boss):
    Client().post(reverse("login"), {"username": user.username, "password": "demo"})
    return boss


def wait_three_days(user, boss):
    age_link(user, days=3, seconds=1)
    return boss


@pytest.mark.parametrize("act", [show_to_another_admin, use_shown_link, sign_in_instead, wait_three_days])
def test_a_link_that_is_over_or_somebody_elses_is_not_shown(boss, alice, act):
    boss.post(get_link_page(alice))
    assert "/accounts/invite/" in boss.get(get_link_page(alice)).content.decode()
    page = act(alice, boss).get(get_link_page(alice))
    assert "/accounts/invite/" not in page.content.decode()
    assert "No link to show" in read_words(page)
    assert "New link" in read_words(page)


def test_the_token_leaves_the_address_before_a_page_is_shown(client, alice):
    link = people.build_link(alice)
    token = link.rstrip("/").rpartition("/")[2]
    first = client.get(link)
    page = client.get(first["Location"])
    assert (first.status_code, page.status_code) == (302, 200)
    assert token not in first["Location"] + page.content.decode()
    assert (page["Referrer-Policy"], "no-store" in page["Cache-Control"]) == ("same-origin", True)


def test_looking_at_a_link_uses_nothing_up(client, alice):
    link = people.build_link(alice)
    assert Client().head(link).status_code == 302
    assert open_link(Client(), link)[0].status_code == 200
    assert choose(client, link).status_code == 302


def use_link(user):
    link = people.build_link(user)
    choose(Client(), link)
    return link


def expire_link(user):
    token = default_token_generator._make_token_with_timestamp(user, 0, default_token_generator.secret)
    return reverse("invite", args=[people.build_link(user).split("/")[3], token])


def sign_in_after_link(user):
    link = people.build_link(user)
    Client().post(reverse("login"), {"username": user.username, "password": "demo"})
    return link


def deactivate_owner(user):
    link = people.build_link(user)
    User.objects.filter(pk=user.pk).update(is_active=False)
    return link


def mix_links(user):
    return reverse(
        "invite", args=[people.build_link(create_person("eve")).split("/")[3], people.build_link(user).split("/")[4]]
    )


DEAD = [
    use_link,
    expire_link,
    sign_in_after_link,
    deactivate_owner,
    mix_links,
    lambda user: reverse("invite", args=["MTAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA", "abc-def"]),  # 10**25
    lambda user: reverse("invite", args=["AA", "abc-def"]),
    lambda user: reverse("invite", args=["not base64!", "abc-def"]),
    lambda user: reverse("invite", args=["_w", "abc-def"]),  # no UTF-8
    lambda user: reverse("invite", args=["5LiA", "abc-def"]),  # a word, not a number
    lambda user: reverse("invite", args=[people.build_link(user).split("/")[3], "choose"]),
]


@pytest.mark.parametrize("link_of", DEAD)
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_dead_link_says_so_kindly_and_changes_nothing(client, alice, link_of, method):
    link = link_of(alice)
    before = User.objects.get(pk=alice.pk).password
    answer = getattr(client, method)(link, {"new_password1": "Another-1234", "new_password2": "Another-1234"})
    assert answer.status_code == 410
    assert "used or has expired" in read_words(answer)
    assert User.objects.get(pk=alice.pk).password == before


def test_an_open_page_of_a_link_that_was_used_meanwhile_sets_nothing(client, alice):
    link = people.build_link(alice)
    _, address = open_link(client, link)
    choose(Client(), link)
    late = client.post(address, {"new_password1": "Another-1234", "new_password2": "Another-1234"})
    assert late.status_code == 410
    assert User.objects.get(pk=alice.pk).check_password(GOOD)


def test_a_link_that_is_used_while_a_password_is_being_hashed_sets_nothing(client, alice, monkeypatch):
    link = people.build_link(alice)
    hashed = people.make_password

    def use_link_first(password):
        monkeypatch.setattr(people, "make_password", hashed)
        choose(Client(), link)
        return hashed(password)

    monkeypatch.setattr(people, "make_password", use_link_first)
    assert choose(client, link, "Another-1234").status_code == 410
    assert User.objects.get(pk=alice.pk).check_password(GOOD)


@pytest.mark.django_db(transaction=True)
def test_of_four_who_use_one_link_at_once_one_succeeds(alice, monkeypatch):
    uid, token = people.build_link(alice).split("/")[3:5]
    check = default_token_generator.check_token

    def check_slowly(*args):
        found = check(*args)
        time.sleep(0.05)
        return found

    monkeypatch.setattr(default_token_generator, "check_token", check_slowly)
    found = run_at_once(*[lambda n=n: people.choose_password(uid, token, f"{GOOD}{n}") for n in range(4)])
    assert sorted(bool(one) for one in found) == [False, False, False, True]


@pytest.mark.parametrize(
    ("first", "second"),
    [("short-1", "short-1"), ("password123", "password123"), ("48151623", "48151623"), (GOOD, "other"), ("", "")],
)
def test_a_weak_or_mistyped_password_is_refused_and_the_link_stays(client, alice, first, second):
    link = people.build_link(alice)
    _, address = open_link(client, link)
    refused = client.post(address, {"new_password1": first, "new_password2": second})
    assert refused.status_code == 422
    assert 'class="errorlist"' in refused.content.decode()
    assert choose(client, link).status_code == 302


def test_whoever_opens_the_link_of_another_is_told_and_becomes_that_other(boss, alice):
    link = people.build_link(alice)
    page, _ = open_link(boss, link)
    assert "You are signed in as admin. This link is for alice" in read_words(page)
    choose(boss, link)
    assert boss.get("/").context["user"] == alice


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("dora", 302),
        ("王小明", 302),
        ("a.b+c@d-e_f", 302),
        ("n" * 150, 302),
        ("n" * 151, 422),
        ("", 422),
        ("   ", 422),
        ("two words", 422),
        ("nul\0", 422),
        ("=1+1", 422),
        ("alice", 422),
        ("ALICE", 422),
        ("ａｌｉｃｅ", 422),  # full-width letters are the same name
        ("ÉLODIE", 422),  # the same as the existing élodie, on SQLite too
        ("ﬁona", 422),  # a ligature, as fiona
        ("аlice", 422),  # the first letter is Cyrillic
        ("αlice", 422),  # and Greek
        ("аλ", 422),  # Cyrillic and Greek
        ("..", 422),
        ("@-_", 422),
        ("Иван.Петров-2", 302),
        ("Ελένη", 302),
        ("王小明Wang", 302),
        ("田中さんTanaka2", 302),
        ("김민수kim", 302),
        ("Zoë_Müller", 302),
    ],
)
def test_a_name_is_taken_as_it_is_or_refused(boss, alice, name, status):
    for other in ("élodie", "fiona"):
        create_person(other)
    before = User.objects.count()
    assert boss.post("/team/invite/", {"name": name, "role": "annotator"}).status_code == status
    assert User.objects.count() - before == (status == 302)


def test_a_name_that_somebody_takes_at_the_same_moment_is_refused(admin, alice, monkeypatch):
    monkeypatch.setattr(people, "is_taken", lambda name: False)
    with pytest.raises(people.NameTaken):
        people.invite("alice", ANNOTATOR)


@pytest.mark.parametrize("name", ["..", "аlice", "ALICE", "ａｌｉｃｅ"])
def test_the_commands_refuse_the_same_names(alice, run_command, monkeypatch, name):
    assert run_command("invite_user", name)[0] == 2
    monkeypatch.setattr("sys.stdin", io.StringIO("demo"))
    assert run_command("create_user", name, "--role", "annotator", "--password-stdin")[0] == 2
    assert User.objects.count() == 1


def test_who_has_such_a_name_already_keeps_it(admin, run_command, monkeypatch):
    odd = create_person("аdmin")
    people.change_role(odd, ADMIN)
    assert sign_in(User.objects.get(pk=odd.pk)).get("/team/").status_code == 200
    monkeypatch.setattr("sys.stdin", io.StringIO("demo"))
    assert run_command("create_user", "аdmin", "--role", "admin", "--password-stdin")[0] == 0


def test_an_unknown_role_is_refused(boss):
    assert boss.post("/team/invite/", {"name": "dora", "role": "owner"}).status_code == 422
    assert not User.objects.filter(username="dora").exists()


def test_nobody_signs_in_before_a_password_is_chosen(client, db):
    people.invite("dora", ANNOTATOR)
    for password in ("", "!", "demo"):
        client.post(reverse("login"), {"username": "dora", "password": password})
    assert not is_signed_in(client)


# --- roles and deactivation ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("role", "status"), [("admin", 200), ("annotator", 302)])
def test_a_changed_role_holds_at_the_next_request(boss, alice, role, status):
    people.change_role(alice, ADMIN if role == "annotator" else ANNOTATOR)
    hers = sign_in_again(alice)
    assert boss.post(build_url(alice), {"act": "role", "role": role}).status_code == 302
    assert hers.get("/team/").status_code == status
    assert sign_in_again(alice).get("/team/").status_code == (200 if role == "admin" else 403)


def sign_in_again(user):
    return sign_in(User.objects.get(pk=user.pk))


def deactivate_and_reactivate(user):
    people.deactivate(user)
    people.reactivate(user)


def demote_and_promote(user):
    people.change_role(user, ANNOTATOR)
    people.change_role(user, ADMIN)


def create_anew(user):
    for role in (ANNOTATOR, ADMIN):
        with pytest.MonkeyPatch.context() as given:
            given.setattr("sys.stdin", io.StringIO("demo"))
            call_command("create_user", user.username, "--role", role, "--password-stdin", stdout=io.StringIO())


def restore_silently(user):
    """Reverts a deactivation and a demotion that an older version did not record elsewhere."""
    User.objects.filter(pk=user.pk).update(is_active=False, role=ANNOTATOR)
    people.reactivate(user)
    people.change_role(user, ADMIN)


@pytest.mark.parametrize("act", [deactivate_and_reactivate, demote_and_promote, create_anew, restore_silently])
def test_what_let_somebody_in_before_they_were_shut_out_never_does_again(admin, alice, act):
    people.change_role(alice, ADMIN)
    hers, (_token, secret) = sign_in_again(alice), create_token(alice, "nightly", reads=True, writes=True)
    bearer = {"Authorization": f"Bearer {secret}"}
    assert hers.get("/team/").status_code == 200
    assert Client().get("/api/v1/datasets/", headers=bearer).status_code == 200
    act(alice)
    assert sign_in_again(alice).get("/team/").status_code == 200, "as they are now"
    assert hers.get("/team/").status_code == 302
    assert Client().get("/api/v1/datasets/", headers=bearer).status_code == 401
    assert [change.after for change in Change.objects.filter(what="alice", before="tokens")] == [None]


def test_a_promotion_signs_nobody_out(admin, alice):
    hers = sign_in(alice)
    people.change_role(alice, User.Role.REVIEWER)
    people.change_role(alice, ADMIN)
    assert hers.get("/team/").status_code == 200


def test_who_is_there_when_the_software_is_renewed_stays_signed_in(alice):
    """The session hash is unchanged from the time before sessions had an end counter."""
    assert alice.get_session_auth_hash() == AbstractUser._get_session_auth_hash(alice)


def test_the_deactivated_are_signed_out_and_others_get_what_they_had_in_hand(boss, alice, bob, make_dataset):
    one, two = make_dataset(build_rows(1)), make_dataset(build_rows(2), slug="two")
    hers = sign_in(alice)
    in_hand = [lease_next(alice, dataset) for dataset in (one, two)]
    assert lease_next(bob, one) is None
    assert boss.post(build_url(alice), {"act": "deactivate"}).status_code == 302
    assert not is_signed_in(hers)
    assert [Judgment.objects.get(pk=judgment.pk).state for judgment in in_hand] == ["expired", "expired"]
    assert has_right_counters(one)
    assert has_right_counters(two)
    assert lease_next(bob, one).comparison_id == in_hand[0].comparison_id


def test_what_the_deactivated_judged_stays(boss, alice, pairs):
    acts = []
    for verdict in ("left", "right", "skip"):
        judgment = lease_next(alice, pairs)
        record(judgment, 0, verdict)
        acts.append(judgment)
    undo(acts[1], 1)
    people.deactivate(alice)
    states = [Judgment.objects.get(pk=judgment.pk).state for judgment in acts]
    assert states == ["saved", "reopened", "skipped"]
    assert Judgment.objects.votes().count() == 2
    assert has_right_counters(pairs)


def test_deactivating_twice_gives_back_once(alice, pairs):
    lease_next(alice, pairs)
    assert people.release_leases(alice) == 1
    people.deactivate(alice)
    assert people.release_leases(alice) == 0
    assert has_right_counters(pairs)


def test_the_reactivated_sign_in_with_the_password_they_had(boss, client, alice):
    boss.post(build_url(alice), {"act": "deactivate"})
    client.post(reverse("login"), {"username": "alice", "password": "demo"})
    assert not is_signed_in(client)
    boss.post(build_url(alice), {"act": "reactivate"})
    client.post(reverse("login"), {"username": "alice", "password": "demo"})
    assert is_signed_in(client)


def test_a_verdict_that_comes_while_leases_are_given_back_stands(alice, pairs, monkeypatch):
    judgment = lease_next(alice, pairs)
    lock = people.lock_membership

    def record_first(*args):
        record(judgment, 0, "left")
        return lock(*args)

    monkeypatch.setattr(people, "lock_membership", record_first)
    people.deactivate(alice)
    assert Judgment.objects.get(pk=judgment.pk).state == "saved"
    assert has_right_counters(pairs)


@pytest.mark.django_db(transaction=True)
def test_deactivating_while_people_judge_keeps_every_count(make_dataset):
    """Ten people judge continuously while half of them are deactivated."""
    dataset = make_dataset(build_rows(40), overlap=2)
    crowd = [create_person(f"p{i}") for i in range(10)]

    def work(user):
        for _ in range(8):
            judgment = lease_next(user, dataset)
            if judgment is None:
                return
            record(judgment, judgment.revision, "left")
        lease_next(user, dataset)

    run_at_once(*[lambda u=u: work(u) for u in crowd], *[lambda u=u: people.deactivate(u) for u in crowd[::2]])
    for user in crowd:
        people.release_leases(user)
    assert not Judgment.objects.filter(state="leased").exists()
    assert has_right_counters(dataset)


def run_at_once(*calls):
    """The results of the calls, each run in its own thread."""
    found, errors = [], []

    def run(call):
        try:
            found.append(call())
        except people.LastAdmin as refused:
            found.append(refused)
        except BaseException as error:
            errors.append(error)
            raise
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[call]) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    return found


# --- assigned datasets -----------------------------------------------------------------------------------------------


@pytest.fixture
def assign(boss, alice):
    """assign(ticked, was): what alice's page answers; both are datasets."""

    def assign(ticked, was=()):
        form = {"act": "datasets", "datasets": [one.pk for one in ticked], "was": [one.pk for one in was]}
        return boss.post(build_url(alice), form)

    return assign


@pytest.fixture
def three(make_dataset, alice, bob):
    """Three datasets: alice and bob may judge the first, bob the second, everybody the third."""
    one, two, three = (make_dataset(build_rows(1), slug=slug) for slug in ("one", "two", "three"))
    one.annotators.set([alice, bob])
    two.annotators.set([bob])
    Change.objects.all().delete()
    return one, two, three


def list_member_changes():
    found = Change.objects.filter(kind="member").order_by("pk")
    return list(found.values_list("by_name", "slug", "what", "before", "after"))


def test_the_page_of_a_person_shows_and_saves_their_datasets(boss, assign, three, alice, bob):
    one, two, is_open = three
    html = boss.get(build_url(alice)).content.decode()
    ticks = re.findall(r'<input type="checkbox" name="datasets" value="(\d+)"([^>]*)>', html)
    assert {int(pk): "checked" in attributes for pk, attributes in ticks} == {
        one.pk: True,
        two.pk: False,
        is_open.pk: False,
    }
    assert re.findall(r'<input type="hidden" name="was" value="(\d+)"', html) == [str(one.pk)]
    answer = assign([two], was=[one])
    assert (answer.status_code, answer["Location"]) == (302, build_url(alice))
    assert "Saved." in read_words(boss.get(answer["Location"]))
    assert list(alice.datasets.all()) == [two]
    assert list_member_changes() == [
        ("admin", "one", "alice", "named", None),
        ("admin", "two", "alice", None, "named"),
    ]
    assign([two], was=[two])
    assert len(list_member_changes()) == 2, "what stays leaves no line"


def test_ticking_a_dataset_that_is_open_to_all_does_not_restrict_it(assign, three, alice):
    one, _two, is_open = three
    assert assign([one, is_open], was=[one]).status_code == 302
    assert not is_open.annotators.exists()
    assert list_member_changes() == []


def test_the_last_person_of_a_list_stays_on_it(boss, assign, three, alice, bob):
    one, two, _open = three
    people.change_assignments(bob, remove=[one])
    before = list_member_changes()
    refused = assign([two], was=[one])
    assert refused.status_code == 422
    assert "alice is the only annotator assigned to: one" in read_words(refused)
    assert list(alice.datasets.all()) == [one], "nothing was changed, not even what could be"
    assert list_member_changes() == before
    assert 'value="role"' in refused.content.decode(), "the other forms are there"


def test_what_another_admin_changed_since_stays(assign, three, alice):
    one, two, _open = three
    two.annotators.add(alice)  # while a page was open that showed `one` only
    assign([one], was=[one])
    assert set(alice.datasets.all()) == {one, two}


def test_an_archived_dataset_keeps_its_people(boss, assign, three, alice):
    one, two, _open = three
    Dataset.objects.filter(pk=one.pk).update(state="archived")
    assert f'value="{one.pk}"' not in boss.get(build_url(alice)).content.decode()
    assign([two])
    assert set(alice.datasets.all()) == {one, two}


@pytest.mark.django_db(transaction=True)
def test_of_two_who_leave_a_list_at_once_one_stays(pairs, alice, bob):
    pairs.annotators.set([alice, bob])
    found = run_at_once(*[lambda u=u: leave_list(u, pairs) for u in (alice, bob)])
    assert sorted(found) == [False, True]
    assert pairs.annotators.count() == 1


def leave_list(user, dataset):
    """Whether the person could leave."""
    try:
        people.change_assignments(user, remove=[dataset])
    except people.LastAnnotator:
        return False
    return True


# --- the last admin --------------------------------------------------------------------------------------------------


def add_nobody():
    pass


def invite_admin():
    people.invite("eve", ADMIN)


def add_deactivated_admin():
    people.deactivate(create_person("eve", ADMIN))


def add_annotator():
    create_person("eve")


@pytest.mark.parametrize("others", [add_nobody, invite_admin, add_deactivated_admin, add_annotator])
@pytest.mark.parametrize("form", [{"act": "deactivate"}, {"act": "role", "role": "annotator"}])
def test_the_last_admin_who_can_sign_in_stays(boss, admin, others, form):
    others()
    refused = boss.post(build_url(admin), form)
    assert refused.status_code == 422
    assert "the last admin who can sign in" in read_words(refused)
    admin.refresh_from_db()
    assert (admin.is_active, admin.role) == (True, "admin")


@pytest.mark.parametrize("form", [{"act": "deactivate"}, {"act": "role", "role": "annotator"}])
def test_an_admin_may_go_while_another_is_there(boss, admin, form):
    create_person("eve", ADMIN)
    left = boss.post(build_url(admin), form)
    assert (left.status_code, left["Location"]) == (302, "/")
    assert boss.get("/team/").status_code in (302, 403)


def test_the_page_of_the_last_admin_offers_neither(boss, admin):
    page = boss.get(build_url(admin)).content.decode()
    assert 'value="deactivate"' not in page
    assert 'value="role"' not in page
    create_person("eve", ADMIN)
    page = boss.get(build_url(admin)).content.decode()
    assert 'value="deactivate"' in page
    assert 'value="role"' in page


def test_a_role_that_is_the_same_is_no_demotion(boss, admin):
    assert boss.post(build_url(admin), {"act": "role", "role": "admin"}).status_code == 302


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("act", [people.deactivate, lambda user: people.change_role(user, ANNOTATOR)])
def test_admins_who_remove_each_other_at_once_leave_one(act):
    crowd = [create_person(f"admin{i}", ADMIN) for i in range(5)]
    run_at_once(*[lambda u=u: act(u) for u in crowd])
    assert people.list_admins().count() == 1


@pytest.mark.parametrize(
    "form",
    [{}, {"act": "delete"}, {"act": "role"}, {"act": "role", "role": "owner"}],
)
def test_an_act_that_is_none_changes_nothing(boss, alice, form):
    assert boss.post(build_url(alice), form).status_code == 422
    alice.refresh_from_db()
    assert (alice.is_active, alice.role) == (True, "annotator")


# --- passwords -------------------------------------------------------------------------------------------------------


def test_a_reset_gives_a_link_and_the_old_password_works_until_it_is_used(boss, client, alice):
    answer = boss.post(build_url(alice), {"act": "reset"})
    assert answer["Location"] == reverse("person-link", args=[alice.pk])
    page = boss.get(answer["Location"])
    link = find_link(page)
    assert User.objects.get(pk=alice.pk).check_password("demo")
    choose(client, link)
    assert User.objects.get(pk=alice.pk).check_password(GOOD)


def test_a_new_password_signs_out_the_other_browsers(client, alice):
    hers = sign_in(alice)
    choose(client, people.build_link(alice))
    assert not is_signed_in(hers)


def test_a_reset_of_somebody_deactivated_ends_the_old_password_and_older_links_at_once(boss, client, alice):
    older = people.build_link(alice)
    people.deactivate(alice)
    page = boss.post(build_url(alice), {"act": "reset"}, follow=True)
    assert "works once this member is reactivated" in read_words(page)
    people.reactivate(alice)
    client.post(reverse("login"), {"username": "alice", "password": "demo"})
    assert not is_signed_in(client)
    assert client.get(older).status_code == 410
    link = find_link(page)
    choose(client, link)
    assert is_signed_in(client)


def test_changing_ones_own_password_keeps_this_browser_and_ends_the_others(alice):
    here, elsewhere = sign_in(alice), sign_in(alice)
    form = {"old_password": "demo", "new_password1": GOOD, "new_password2": GOOD}
    assert here.post("/profile/password/", form)["Location"] == "/profile/"
    assert (is_signed_in(here), is_signed_in(elsewhere)) == (True, False)
    assert User.objects.get(pk=alice.pk).check_password(GOOD)


@pytest.mark.parametrize(
    "wrong", [{"old_password": "guess"}, {"new_password2": "other"}, {"new_password1": "demo", "new_password2": "demo"}]
)
def test_a_password_is_not_changed_by_a_wrong_form(alice, wrong):
    form = {"old_password": "demo", "new_password1": GOOD, "new_password2": GOOD} | wrong
    refused = sign_in(alice).post("/profile/password/", form)
    assert refused.status_code == 422
    assert User.objects.get(pk=alice.pk).check_password("demo")


@pytest.mark.parametrize("path", ["/profile/password/", "/profile/language/"])
def test_whoever_lands_there_after_signing_in_again_finds_a_page(alice, path):
    assert sign_in(alice).get(path, follow=True).status_code == 200


def test_a_choice_of_ones_own_never_writes_back_what_an_admin_changed(alice):
    seen_before = User.objects.get(pk=alice.pk)
    people.deactivate(alice)
    people.choose_preferences(seen_before, "en", "UTC")
    people.choose_language(seen_before, "zh-hans")
    people.change_password(seen_before, GOOD)
    alice.refresh_from_db()
    assert (alice.is_active, alice.language, alice.time_zone) == (False, "zh-hans", "UTC")


# --- language and time zone ------------------------------------------------------------------------------------------


def read_lang(response):
    return re.search(r'<html lang="([^"]+)"', response.content.decode())[1]


@pytest.mark.parametrize(
    ("saved", "cookie", "browser", "expected"),
    [
        ("zh-hans", "en", "en", "zh-hans"),
        ("en", "zh-hans", "zh-CN", "en"),
        ("", "zh-hans", "en", "zh-hans"),
        ("", None, "zh-CN", "zh-hans"),
        ("zh-hans", None, "fr", "zh-hans"),
        ("", None, "fr", "en"),
    ],
)
def test_the_saved_language_wins_over_cookie_and_browser(alice, saved, cookie, browser, expected):
    people.choose_language(alice, saved)
    client = sign_in(alice)
    if cookie:
        client.cookies["django_language"] = cookie
    answer = client.get("/profile/", headers={"accept-language": browser})
    assert (read_lang(answer), answer["Content-Language"]) == (expected, expected)


@pytest.mark.parametrize("path", ["/nowhere/", "/annotate/none/", "/team/"])
def test_pages_of_errors_speak_the_saved_language_too(alice, path):
    people.choose_language(alice, "zh-hans")
    assert read_lang(sign_in(alice).get(path)) == "zh-hans"


def test_the_switch_on_top_saves_the_language_and_shows_the_same_page(alice):
    client = sign_in(alice)
    page = client.get("/profile/").content.decode()
    assert f'action="{reverse("language")}"' in page
    answer = client.post(reverse("language"), {"language": "zh-hans", "next": "/profile/?x=1"})
    assert answer["Location"] == "/profile/?x=1"
    assert User.objects.get(pk=alice.pk).language == "zh-hans"
    assert read_lang(sign_in(alice).get("/")) == "zh-hans"


@pytest.mark.parametrize("language", ["", "fr", "zh", "\0"])
def test_the_switch_takes_no_other_language(alice, language):
    people.choose_language(alice, "en")
    assert sign_in(alice).post(reverse("language"), {"language": language}).status_code == 302
    assert User.objects.get(pk=alice.pk).language == "en"


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/", r"\\evil.example", "javascript:1"])
def test_the_switch_leads_to_no_other_host(alice, elsewhere):
    answer = sign_in(alice).post(reverse("language"), {"language": "en", "next": elsewhere})
    assert answer["Location"] == "/"


def test_strangers_switch_by_cookie(client, db):
    assert f'action="{reverse("set_language")}"' in client.get(reverse("login")).content.decode()


def test_the_profile_saves_both_and_answers_in_the_new_language(alice):
    client = sign_in(alice)
    client.post("/profile/", {"language": "zh-hans", "time_zone": "Asia/Shanghai"})
    alice.refresh_from_db()
    assert (alice.language, alice.time_zone) == ("zh-hans", "Asia/Shanghai")
    with override("zh-hans"):
        assert gettext("Saved.") in read_words(client.get("/profile/"))


def test_the_browsers_language_is_the_browsers_again(alice):
    client = sign_in(alice)
    client.cookies["django_language"] = "zh-hans"
    client.post("/profile/", {"language": "", "time_zone": ""})
    assert read_lang(client.get("/", headers={"accept-language": "en"})) == "en"


@pytest.mark.parametrize(
    "form",
    [
        {"language": "fr"},
        {"time_zone": "Mars/Base"},
        {"time_zone": "../../etc/passwd"},
        {"time_zone": "Europe/Berlin\0"},
    ],
)
def test_the_profile_takes_no_nonsense(alice, form):
    assert sign_in(alice).post("/profile/", form).status_code == 422
    alice.refresh_from_db()
    assert (alice.language, alice.time_zone) == ("", "")


def test_every_time_zone_on_offer_is_one():
    assert set(people.get_time_zones()) <= available_timezones()
    assert {"UTC", "Asia/Shanghai", "Europe/Berlin", "America/Argentina/Buenos_Aires"} <= set(people.get_time_zones())


@pytest.mark.parametrize(
    ("zone", "shown"),
    [("", "2026-11-22 20:30"), ("Asia/Shanghai", "2026-11-23 04:30"), ("Gone/Away", "2026-11-22 20:30")],
)
def test_times_are_shown_in_the_time_zone_of_whoever_looks(boss, admin, alice, zone, shown):
    people.choose_preferences(admin, "en", zone)
    User.objects.filter(pk=alice.pk).update(last_login=datetime(2026, 11, 22, 20, 30, tzinfo=UTC))
    assert shown in read_words(boss.get(build_url(alice)))
    assert timezone.get_current_timezone_name() == "UTC"


def test_the_preferences_cost_no_query(alice, django_assert_num_queries):
    people.choose_preferences(alice, "zh-hans", "Asia/Shanghai")
    client = sign_in(alice)
    with django_assert_num_queries(2):  # the session, and the person
        client.get("/profile/")
    with django_assert_num_queries(0):
        Client().get(reverse("login"))


def test_healthz_says_503_also_to_whoever_is_signed_in(alice, monkeypatch):
    client = sign_in(alice)

    def refuse_cursor(*args):
        raise DatabaseError("gone")

    with monkeypatch.context() as broken_down:
        broken_down.setattr(connection, "cursor", refuse_cursor)
        broken_down.setattr(connection, "chunked_cursor", refuse_cursor)
        assert client.get("/healthz").status_code == 503


# --- the list --------------------------------------------------------------------------------------------------------


def create_crowd(n):
    password = make_password("demo")
    return User.objects.bulk_create(User(username=f"p{i:05}", password=password) for i in range(n))


def read_names(response):
    return [row[0].username for row in response.context["people"]]


def test_the_list_tells_who_did_what_and_when(boss, alice, bob, make_dataset):
    dataset = make_dataset(build_rows(3), name="First one")
    dataset.annotators.set([alice])
    record(lease_next(alice, dataset), 0, "left")
    record(lease_next(alice, dataset), 0, "skip")
    people.deactivate(bob)
    people.invite("dora", ANNOTATOR)
    rows = {row[0].username: row[1:] for row in boss.get("/team/").context["people"]}
    last = Judgment.objects.get(state="saved").decided_at
    assert rows["alice"] == (1, last, [dataset], "active")
    assert rows["bob"] == (0, None, [], "deactivated")
    assert rows["dora"] == (0, None, [], "invited")
    page = read_words(boss.get("/team/"))
    for said in ("First one", "All open datasets", "All datasets", last.strftime("%Y-%m-%d %H:%M")):
        assert said in page


@pytest.mark.parametrize(("hours", "is_sign_in"), [(-1, False), (1, True)])
def test_last_active_is_the_later_of_judgment_and_sign_in(boss, alice, pairs, hours, is_sign_in):
    record(lease_next(alice, pairs), 0, "left")
    judged = Judgment.objects.get().decided_at
    signed_in = judged + timedelta(hours=hours)
    User.objects.filter(pk=alice.pk).update(last_login=signed_in)
    row = next(row for row in boss.get("/team/").context["people"] if row.person == alice)
    assert row.last_active == (signed_in if is_sign_in else judged)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("role=admin", ["admin"]),
        ("role=reviewer", ["rita"]),
        ("status=active", ["admin", "alice", "rita"]),
        ("status=invited", ["dora"]),
        ("status=deactivated", ["bob", "eve"]),
        ("status=active&role=annotator&q=LI", ["alice"]),
        ("status=invited&role=reviewer", []),
    ],
)
def test_the_list_is_filtered_by_role_and_status(boss, alice, bob, query, expected):
    create_person("rita", User.Role.REVIEWER)
    people.invite("dora", ANNOTATOR)
    for gone in (bob, people.invite("eve", ANNOTATOR)):
        people.deactivate(gone)
    assert read_names(boss.get(f"/team/?{query}")) == expected


def test_the_next_page_keeps_the_filters(boss, monkeypatch):
    monkeypatch.setattr("annotate.views.people.PEOPLE_A_PAGE", 2)
    create_crowd(5)
    create_person("p99999", User.Role.REVIEWER)
    page = boss.get("/team/?q=p0&role=annotator")
    seen = read_names(page)
    while page.context["next"]:
        page = boss.get(f"/team/?{page.context['next']}")
        seen += read_names(page)
    assert seen == [f"p{n:05}" for n in range(5)]
    assert read_names(boss.get(f"/team/?{page.context['first']}")) == seen[:2]


@pytest.mark.parametrize(
    ("path", "current"),
    [
        ("/team/", "Members"),
        ("/team/timesheet/", "Timesheet"),
        ("/team/log/", "Activity log"),
    ],
)
def test_the_pages_of_the_team_lead_to_each_other(boss, path, current):
    html = boss.get(path).content.decode()
    tabs = re.search(r'<nav class="tabs" aria-label="Team">(.*?)</nav>', html, re.DOTALL)[1]
    assert re.findall(r'href="([^"]+)"', tabs) == ["/team/", "/team/timesheet/", "/team/log/"]
    assert re.findall(r'aria-current="page">\s*([^<]+?)\s*<', tabs) == [current]


def test_the_list_goes_on_by_name_and_shows_everybody_once(boss):
    create_crowd(120)
    seen, page = [], boss.get("/team/")
    while True:
        seen += read_names(page)
        if not page.context["next"]:
            break
        address = re.search(r'href="(\?[^"]*after=[^"]*)"', page.content.decode())[1].replace("&amp;", "&")
        page = boss.get(f"/team/{address}")
    assert sorted(seen) == sorted(User.objects.values_list("username", flat=True))


def test_the_list_costs_as_many_queries_for_many_as_for_few(boss, make_dataset, django_assert_num_queries):
    dataset = make_dataset(build_rows(60))
    for user in create_crowd(60):
        record(lease_next(user, dataset), 0, "left")
        dataset.annotators.add(user)
    for path in ("/team/?q=p00003", "/team/"):
        with django_assert_num_queries(5):  # session, person; people, their work, their datasets
            assert boss.get(path).status_code == 200


@pytest.mark.parametrize(
    ("query", "expected"),
    [("?q=LIC", ["alice"]), ("?q=zzz", []), ("?after=alice&q=b", ["bob"]), ("?q=%25", []), ("?after=zzz", [])],
)
def test_people_are_found_by_a_part_of_their_name(boss, alice, bob, query, expected):
    assert read_names(boss.get(f"/team/{query}")) == expected


@pytest.mark.parametrize("query", ["?q=%00", "?after=%00", f"?after={'x' * 151}", "?role=owner", "?status=gone"])
def test_a_nonsense_query_is_refused(boss, query):
    assert boss.get(f"/team/{query}").status_code == 400


@pytest.mark.parametrize("pk", [987654, 10**30])
def test_a_person_who_is_not_there_is_not_found(boss, pk):
    assert boss.get(f"/team/{pk}/").status_code == boss.get(f"/team/{pk}/link/").status_code == 404


# --- hours -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def worked(make_dataset, alice, bob):
    """Two datasets; worked(user, dataset, when, seconds, verdict="left") creates one judgment."""
    for slug in ("one", "two"):
        make_dataset(build_rows(20), slug=slug)

    def act(user, slug, when, seconds, verdict="left"):
        judgment = lease_next(user, Dataset.objects.get(slug=slug))
        record(judgment, 0, verdict)
        Judgment.objects.filter(pk=judgment.pk).update(decided_at=when, seconds=seconds)

    return act


def get_time(day, hour=12):
    return datetime(2026, 11, day, hour, tzinfo=UTC)


def test_hours_are_summed_by_day_person_and_dataset(worked, alice, bob):
    for seconds in (60, 120):
        worked(alice, "one", get_time(2), seconds)
    worked(alice, "one", get_time(2), None, "skip")
    worked(alice, "two", get_time(2), 36)
    worked(bob, "one", get_time(2), 18)
    worked(alice, "one", get_time(3), 360)
    assert list(iter_hours(None, None, UTC)) == [
        (date(2026, 11, 2), "alice", "one", 2, 1, 0.05),
        (date(2026, 11, 2), "alice", "two", 1, 0, 0.01),
        (date(2026, 11, 2), "bob", "one", 1, 0, 0.005),
        (date(2026, 11, 3), "alice", "one", 1, 0, 0.1),
    ]


@pytest.mark.parametrize(("seconds", "counted"), [(599, 0.1664), (600, 0.1667), (86400, 0.1667), (None, 0), (-5, 0)])
def test_a_lunch_break_is_no_work(worked, alice, seconds, counted):
    worked(alice, "one", get_time(2), seconds)
    assert [row[-1] for row in iter_hours(None, None, UTC)] == [counted]


@pytest.mark.parametrize(
    ("since", "until", "zone", "days"),
    [
        (None, None, "UTC", [2, 2, 3]),
        (3, None, "UTC", [3]),
        (None, 2, "UTC", [2, 2]),
        (2, 2, "UTC", [2, 2]),
        (4, 9, "UTC", []),
        (None, None, "Asia/Shanghai", [2, 3, 3]),
        (3, 3, "Asia/Shanghai", [3, 3]),
        (None, None, "America/Los_Angeles", [1, 2, 2]),
    ],
)
def test_a_day_is_one_of_the_time_zone_and_both_ends_count(worked, alice, bob, since, until, zone, days):
    worked(alice, "one", get_time(2, 1), 60)  # 09:00 in Shanghai; the evening before in Los Angeles
    worked(alice, "two", get_time(2, 20), 60)  # 04:00 the next day in Shanghai
    worked(bob, "one", get_time(3, 5), 60)
    span = [day and date(2026, 11, day) for day in (since, until)]
    assert [row[0].day for row in iter_hours(*span, ZoneInfo(zone))] == days


def test_days_of_a_changed_clock_are_whole(worked, alice):
    """Berlin's 25 October 2026 has 25 hours."""
    for hour in (22, 23):
        worked(alice, "one", datetime(2026, 10, 24, hour, tzinfo=UTC), 60)
        worked(alice, "two", datetime(2026, 10, 25, hour, tzinfo=UTC), 60)
    berlin = ZoneInfo("Europe/Berlin")
    assert [row[:4:3] for row in iter_hours(date(2026, 10, 25), date(2026, 10, 25), berlin)] == [
        (date(2026, 10, 25), 2),
        (date(2026, 10, 25), 1),
    ]


def test_what_is_in_hand_or_came_from_a_file_is_nobodys_work(make_dataset, alice, pairs):
    make_dataset([{"prompt": "P", "chosen": "a", "rejected": "b", "annotator": "alice"}], slug="judged")
    lease_next(alice, pairs)
    assert list(iter_hours(None, None, UTC)) == []


def test_no_cell_is_a_formula(worked):
    for name in ("@cmd", "+1", "-1", "plain"):
        worked(create_person(name), "one", get_time(2), 60)
    Dataset.objects.filter(slug="one").update(slug="-one")
    rows = list(csv.reader(io.StringIO("".join(iter_csv_lines(iter_hours(None, None, UTC))))))
    assert sorted(row[1] for row in rows[1:]) == sorted(["'@cmd", "'+1", "'-1", "plain"])
    assert {row[2] for row in rows[1:]} == {"'-one"}


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_text_that_could_run_is_defused(start):
    assert list(iter_csv_lines([(f"{start}x", 1)]))[1].startswith(("'", "\"'"))


def test_the_file_is_streamed_in_the_viewers_time_zone(boss, admin, worked, alice):
    worked(alice, "one", get_time(2, 20), 90)
    people.choose_preferences(admin, "", "Asia/Shanghai")
    answer = boss.get("/team/timesheet.csv?since=2026-11-01&until=2026-11-30")
    assert answer.streaming
    assert (answer["Content-Type"], "attachment" in answer["Content-Disposition"]) == ("text/csv; charset=utf-8", True)
    assert answer.getvalue().decode().splitlines() == [
        "date,annotator,dataset,judgments,skips,hours",
        "2026-11-03,alice,one,1,0,0.025",
    ]


@pytest.mark.parametrize(
    "query",
    [
        "since=yesterday",
        "until=2026-02-30",
        "since=2026-02-02&until=2026-02-01",
        "since=0001-01-01",
        "until=9999-12-31",
        "person=%00",
    ],
)
def test_days_that_are_none_are_refused_by_name(boss, query):
    for path in ("/team/timesheet.csv", "/team/timesheet/"):
        answer = boss.get(f"{path}?since=&{query}")
        assert answer.status_code == 400
        assert 'class="errorlist"' in answer.content.decode()


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_the_first_and_the_last_day_can_be_counted_everywhere(boss, admin, zone):
    people.choose_preferences(admin, "", zone)
    answer = boss.get("/team/timesheet.csv?since=1970-01-01&until=2999-12-31")
    assert (answer.status_code, answer.getvalue().count(b"\n")) == (200, 1)


def test_the_timesheet_sums_the_days_by_member_and_dataset(boss, worked, alice, bob):
    worked(alice, "one", get_time(2), 360)
    worked(alice, "one", get_time(3), 360)
    worked(alice, "one", get_time(3), None, "skip")
    worked(alice, "two", get_time(3), 36)
    worked(bob, "one", get_time(9), 180)
    page = boss.get("/team/timesheet/?since=2026-11-01&until=2026-11-08&person=")
    assert page.context["rows"] == [("alice", "one", 2, 1, 0.2), ("alice", "two", 1, 0, 0.01)]
    assert "Total 3 1 0.21" in read_words(page)
    everything = boss.get("/team/timesheet/?since=&until=")
    assert [row[0] for row in everything.context["rows"]] == ["alice", "alice", "bob"]
    hers = boss.get("/team/timesheet/?since=&person=bob")
    assert hers.context["rows"] == [("bob", "one", 1, 0, 0.05)]
    file = boss.get("/team/timesheet.csv?since=&until=&person=bob")
    assert file.getvalue().decode().splitlines()[1:] == ["2026-11-09,bob,one,1,0,0.05"]
    assert f"/team/timesheet/?person={bob}" in boss.get(build_url(bob)).content.decode()


def test_the_timesheet_begins_with_this_month(boss, admin, worked, alice, monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: datetime(2026, 11, 30, 20, tzinfo=UTC))
    worked(alice, "one", datetime(2026, 10, 31, 12, tzinfo=UTC), 60)
    worked(alice, "two", datetime(2026, 11, 1, 12, tzinfo=UTC), 60)
    assert [row.dataset for row in boss.get("/team/timesheet/").context["rows"]] == ["two"]
    people.choose_preferences(admin, "", "Asia/Shanghai")  # where it is December
    page = boss.get("/team/timesheet/")
    assert page.context["rows"] == []
    assert 'value="2026-12-01"' in page.content.decode()


def test_a_long_timesheet_is_cut_and_says_so(boss, worked, alice, monkeypatch):
    monkeypatch.setattr("annotate.views.people.TIMESHEET_ROWS", 1)
    worked(alice, "one", get_time(2), 60)
    assert "Only the first" not in read_words(boss.get("/team/timesheet/?since="))
    worked(alice, "two", get_time(2), 60)
    page = boss.get("/team/timesheet/?since=")
    assert [row.dataset for row in page.context["rows"]] == ["one"]
    assert "Only the first 1 rows are shown" in read_words(page)
    assert "Total" not in read_words(page)


def test_the_command_writes_the_same_rows_in_utc(worked, alice, run_command, tmp_path):
    worked(alice, "one", get_time(2, 20), 90)
    worked(alice, "one", get_time(5), 90)
    path = tmp_path / "hours.csv"
    status, summary, _ = run_command("hours_report", "--until", "2026-11-04", "--output", str(path))
    assert (status, summary.pop("seconds") >= 0) == (0, True)
    assert summary == {"rows": 1, "judgments": 1, "skips": 0, "hours": 0.025}
    assert path.read_text().splitlines()[1:] == ["2026-11-02,alice,one,1,0,0.025"]


def test_the_command_writes_to_stdout_and_its_summary_beside_it(worked, alice, capfdbinary):
    worked(alice, "one", get_time(2), 90)
    call_command("hours_report", since="2026-11-01")
    out, err = capfdbinary.readouterr()
    assert out.decode().splitlines() == [
        "date,annotator,dataset,judgments,skips,hours",
        "2026-11-02,alice,one,1,0,0.025",
    ]
    assert b'"rows": 1' in err


@pytest.mark.parametrize("days", [["--since", "soon"], ["--since", "2026-02-02", "--until", "2026-02-01"]])
def test_the_command_refuses_days_that_are_none(db, run_command, days):
    status, _, said = run_command("hours_report", *days)
    assert (status, said.startswith("--")) == (2, True)


def test_the_rows_stream_and_take_one_query(worked, alice, django_assert_num_queries):
    worked(alice, "one", get_time(2), 60)
    with django_assert_num_queries(1):
        rows = iter_hours(None, None, UTC)
        assert iter(rows) is rows
        list(rows)


# --- in a real browser -----------------------------------------------------------------------------------------------


@pytest.fixture
def browse(browser, live_server):
    """browse(user, …): a page of a separate browser in which this person is signed in."""
    contexts = []

    def browse(user=None, **options):
        contexts.append(browser.new_context(base_url=live_server.url, **options))
        if user:
            session = sign_in(user).cookies["sessionid"].value
            contexts[-1].add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
        return contexts[-1].new_page()

    yield browse
    for context in contexts:
        context.close()


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_from_the_invitation_to_the_first_page_without_javascript(browse, admin):
    page = browse(admin, permissions=["clipboard-read", "clipboard-write"])
    page.goto("/team/")
    page.get_by_role("link", name="Invite member").click()
    page.get_by_label("Username").fill("dora")
    page.get_by_role("button", name="Create invite link").click()
    link = page.get_by_label("Share this link privately").input_value()
    page.get_by_role("button", name="Copy").click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == link

    looking = browse()
    looking.goto(link)
    assert Axe().run(looking).response["violations"] == []

    hers = browse(java_script_enabled=False, viewport={"width": 360, "height": 740})
    hers.goto(link)
    assert link.rstrip("/").rpartition("/")[2] not in hers.url
    hers.get_by_label("New password", exact=True).fill(GOOD)
    hers.get_by_label("New password confirmation").fill(GOOD)
    hers.get_by_role("button", name="Save and continue").click()
    hers.get_by_role("link", name="dora").click()
    hers.get_by_label("Time zone").select_option("Asia/Shanghai")
    hers.get_by_role("button", name="Save").click()
    hers.get_by_role("button", name="中文").click()
    hers.get_by_role("heading", name="dora 标注员").wait_for()
    dora = User.objects.get(username="dora")
    assert (dora.time_zone, dora.language) == ("Asia/Shanghai", "zh-hans")

    page.goto(build_url(dora))
    page.get_by_role("button", name="Deactivate").click()
    page.get_by_text("dora is deactivated").wait_for()
    assert Axe().run(page).response["violations"] == []
    hers.reload()
    assert "/accounts/login/" in hers.url
    page.get_by_role("button", name="Reactivate").click()
    page.get_by_text("dora can sign in again").wait_for()


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_a_long_list_of_people_is_searched_and_sent_whole(browse, admin, pairs):
    pairs.annotators.set(create_crowd(15)[:1])
    page = browse(admin)
    page.goto("/datasets/demo/annotators/")
    page.get_by_label("Search by name").fill("00014")
    shown = page.locator("#id_annotators label:visible")
    expect(shown).to_have_text(re.compile("p00014"))
    page.keyboard.press("Enter")
    shown.click()
    page.get_by_label("Search by name").fill("nobody")
    expect(shown).to_have_count(0)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    assert set(pairs.annotators.values_list("username", flat=True)) == {"p00000", "p00014"}

    plain = browse(admin, java_script_enabled=False)
    plain.goto("/datasets/demo/annotators/")
    expect(plain.get_by_label("Search by name")).to_be_hidden()
    expect(plain.locator("#id_annotators label:visible")).to_have_count(16)


@pytest.mark.parametrize("then", ["models", "home", "//elsewhere/", "http://elsewhere/"])
def test_the_language_is_chosen_wherever_one_is_sent_then(client, alice, then):
    client.force_login(alice)
    answer = client.post("/profile/language/", {"language": "zh-hans", "next": then})
    assert (answer.status_code, answer["Location"]) == (302, "/")
