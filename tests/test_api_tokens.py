"""Tokens for scripts: creation, one-time display, and access."""

import hashlib
import re
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotate.models import User
from api.models import Token
from api.tokens import create_token

PAGE, DATASETS = "/profile/tokens/", "/api/v1/datasets/"
FORM = {"name": "nightly", "reads": "on", "days": "30"}


def get_status(secret, path=DATASETS, method="get", **more):
    answer = getattr(Client(), method)(path, headers={"Authorization": f"Bearer {secret}"}, **more)
    assert answer["Content-Type"].startswith("application/json")
    return answer.status_code


@pytest.fixture
def token(admin):
    """(the Token, its secret) with the scope `read`."""
    return create_token(admin, "nightly", reads=True, writes=False)


@pytest.fixture
def browser(client, admin):
    client.force_login(admin)
    return client


def find_tokens(page):
    return re.findall(r"chosen_[\w-]+", page.content.decode())


def test_a_token_is_shown_once_and_works(browser):
    page = browser.post(PAGE, FORM)
    (secret,) = find_tokens(page)
    assert "no-store" in page["Cache-Control"]
    assert find_tokens(browser.get(PAGE)) == []
    assert "nightly" in browser.get(PAGE).content.decode()
    assert get_status(secret) == 200


def test_only_its_hash_is_kept(browser):
    (secret,) = find_tokens(browser.post(PAGE, FORM))
    kept = Token.objects.values().get()
    assert kept["digest"] == hashlib.sha256(secret.encode()).hexdigest()
    assert not any(secret.removeprefix("chosen_") in str(value) for value in kept.values())


def test_two_tokens_differ(admin):
    secrets = {create_token(admin, "same", reads=True, writes=True)[1] for _ in range(5)}
    assert len(secrets) == 5
    assert min(map(len, secrets)) >= 50


@pytest.mark.parametrize(
    "wrong", [{"name": ""}, {"name": "x" * 81}, {"name": "a\x00b"}, {"reads": ""}, {"days": "12"}, {"days": "x"}]
)
def test_a_form_that_is_not_right_makes_no_token(browser, wrong):
    page = browser.post(PAGE, {name: value for name, value in (FORM | wrong).items() if value})
    assert (page.status_code, find_tokens(page), Token.objects.count()) == (422, [], 0)


def test_a_token_that_is_good_for_nothing_cannot_be_stored(admin):
    with pytest.raises(IntegrityError), transaction.atomic():
        create_token(admin, "x", reads=False, writes=False)


@pytest.mark.parametrize(("days", "left"), [("", None), ("30", 30), ("365", 365)])
def test_a_token_works_for_as_long_as_was_said(browser, days, left):
    browser.post(PAGE, FORM | {"days": days})
    ends = Token.objects.get().expires_at
    assert (ends and round((ends - timezone.now()) / timedelta(days=1))) == left


def test_an_expired_token_is_refused_and_said_to_have_expired(browser, token):
    Token.objects.update(expires_at=timezone.now() + timedelta(minutes=1))
    assert get_status(token[1]) == 200
    Token.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert get_status(token[1]) == 401
    assert "expired" in browser.get(PAGE).content.decode()


def test_a_revoked_token_is_refused(browser, token):
    answer = browser.post(f"{PAGE}{token[0].pk}/revoke/")
    assert (answer.status_code, answer["Location"]) == (302, PAGE)
    assert get_status(token[1]) == 401


def test_nobody_sees_or_revokes_the_tokens_of_another(token, client):
    client.force_login(User.objects.create_user("other", role=User.Role.ADMIN))
    assert "nightly" not in client.get(PAGE).content.decode()
    assert client.post(f"{PAGE}{token[0].pk}/revoke/").status_code == 404
    assert get_status(token[1]) == 200


@pytest.mark.parametrize("change", [{"is_active": False}, {"role": User.Role.ANNOTATOR}])
def test_a_token_of_whoever_is_no_admin_any_more_is_refused(token, change):
    User.objects.update(**change)
    assert get_status(token[1]) == 401


@pytest.mark.parametrize("secret", ["", " ", "x", "chosen_", "é", "\x00", "a b", "x" * 10000])
def test_a_wrong_token_is_refused(token, secret):
    assert get_status(secret) == 401


@pytest.mark.parametrize("header", ["{}", "Basic {}", "Token {}", "Bearer  {}", "Bearer {} x", "Bearer{}"])
def test_only_a_bearer_lets_in(token, header):
    answer = Client().get(DATASETS, headers={"Authorization": header.format(token[1])})
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["detail"]


def test_the_hash_is_no_token(token):
    assert get_status(token[0].digest) == 401


@pytest.mark.parametrize("place", [f"{DATASETS}?token={{}}", f"{DATASETS}?access_token={{}}"])
def test_no_token_is_taken_from_an_address(token, place):
    assert Client().get(place.format(token[1])).status_code == 401


def test_a_token_that_reads_does_not_write(token, make_dataset):
    make_dataset([{"prompt": "Why?", "responses": ["a", "b"]}])
    for path in (DATASETS, f"{DATASETS}demo/rows/", f"{DATASETS}demo/bundles/"):
        assert get_status(token[1], path, "post", data="{}", content_type="application/json") == 403


def test_a_token_that_writes_does_not_read(admin):
    _, secret = create_token(admin, "w", reads=False, writes=True)
    assert get_status(secret) == 403
    assert get_status(secret, DATASETS, "post", data={"slug": "x"}, content_type="application/json") == 201


def test_a_session_does_not_let_in_and_a_token_needs_none(browser, token):
    assert browser.get(DATASETS).status_code == 401
    strict = Client(enforce_csrf_checks=True)
    answer = strict.get(DATASETS, headers={"Authorization": f"Bearer {token[1]}"})
    assert (answer.status_code, dict(answer.cookies)) == (200, {})


def test_no_csrf_token_is_asked_for(admin):
    _, secret = create_token(admin, "w", reads=True, writes=True)
    answer = Client(enforce_csrf_checks=True).post(
        DATASETS, {"slug": "x"}, "application/json", headers={"Authorization": f"Bearer {secret}"}
    )
    assert answer.status_code == 201


def test_the_last_use_is_noted_to_the_minute(token, browser):
    assert Token.objects.get().last_used_at is None
    get_status(token[1])
    first = Token.objects.get().last_used_at
    assert timezone.now() - first < timedelta(seconds=10)
    with CaptureQueriesContext(connection) as queries:
        get_status(token[1])
    assert not [query["sql"] for query in queries if query["sql"].startswith("UPDATE")]
    Token.objects.update(last_used_at=first - timedelta(minutes=2))
    get_status(token[1])
    assert Token.objects.get().last_used_at >= first
    assert first.strftime("%Y-%m-%d %H:") in browser.get(PAGE).content.decode()


def test_a_wrong_try_notes_nothing(token):
    get_status(token[1] + "x")
    assert Token.objects.get().last_used_at is None


def test_the_profile_of_an_admin_links_to_the_tokens(browser, alice):
    assert f'href="{PAGE}"' in browser.get("/profile/").content.decode()
    browser.force_login(alice)
    assert PAGE not in browser.get("/profile/").content.decode()
