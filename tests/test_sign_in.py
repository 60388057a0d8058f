"""Signing in: throttled by name and address; sessions survive a restart and end with a deactivation."""

import os
import subprocess
import sys
from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config import sign_in as sign_in_page
from config.proxy import find_client_address

OFFICE, ELSEWHERE = "192.0.2.1", "198.51.100.7"


def sign_in(name, password="demo", address=OFFICE, **headers):
    return Client().post("/accounts/login/", {"username": name, "password": password}, REMOTE_ADDR=address, **headers)


def fail(name, times, address=OFFICE):
    """Sends n wrong passwords, each from a browser with another user agent."""
    return [sign_in(name, "wrong", address, HTTP_USER_AGENT=f"agent {i}").status_code for i in range(times)]


def test_the_fifth_wrong_password_closes_the_name_for_the_address(alice, bob):
    assert fail("alice", 5) == [200, 200, 200, 200, 429]
    assert sign_in("alice").status_code == 429, "the right password, while it is closed"
    assert sign_in("alice", address=ELSEWHERE).status_code == 302, "alice at home"
    assert sign_in("bob").status_code == 302, "bob in the same office"


def test_where_nobody_has_an_account_the_page_says_how_to_create_one(db):
    words = "create_user NAME --role admin"
    assert words in sign_in("admin").content.decode()
    get_user_model().objects.create_user("alice", password="demo", role="annotator")
    assert words not in sign_in("admin").content.decode()


def test_a_name_that_nobody_has_is_closed_just_so(db):
    assert fail("nobody", 5) == [200, 200, 200, 200, 429]


def test_after_the_cool_off_the_right_password_lets_in(alice, settings):
    fail("alice", 5)
    long_ago = timezone.now() - settings.AXES_COOLOFF_TIME
    AccessAttempt.objects.update(attempt_time=long_ago + timedelta(seconds=5))
    assert sign_in("alice").status_code == 429
    AccessAttempt.objects.update(attempt_time=long_ago - timedelta(seconds=1))
    assert sign_in("alice").status_code == 302


def test_to_try_again_while_it_is_closed_does_not_lengthen_it(alice):
    fail("alice", 5)
    closed_since = AccessAttempt.objects.latest("attempt_time").attempt_time
    fail("alice", 3)
    assert AccessAttempt.objects.latest("attempt_time").attempt_time == closed_since


def test_a_success_forgives_the_name(alice):
    fail("alice", 4)
    assert sign_in("alice").status_code == 302
    assert fail("alice", 4) == [200] * 4


def test_an_address_that_tries_many_names_is_closed_for_all_of_them(alice, settings):
    settings.FAILURES_OF_AN_ADDRESS = 6
    assert [fail(f"guess{i}", 1)[0] for i in range(6)] == [200, 200, 200, 200, 200, 429]
    assert sign_in("alice").status_code == 429
    assert sign_in("alice", address=ELSEWHERE).status_code == 302


def test_one_account_of_its_own_does_not_open_the_others_to_an_address(alice, settings):
    settings.FAILURES_OF_AN_ADDRESS = 6
    for i in range(5):
        fail(f"guess{i}", 1)
    assert sign_in("alice").status_code == 302
    assert fail("guess9", 1) == [429]


def close_the_office(settings):
    settings.FAILURES_OF_AN_ADDRESS = 6
    for i in range(6):
        fail(f"guess{i}", 1)


def let_in(client, name, password="demo", address=OFFICE):
    client.post("/accounts/logout/")
    said = client.post("/accounts/login/", {"username": name, "password": password}, REMOTE_ADDR=address)
    return said.status_code


def test_who_was_let_in_before_by_this_browser_is_not_closed_out_with_the_address(client, alice, bob, settings):
    assert let_in(client, "alice") == 302
    assert let_in(client, "bob") == 302, "people share a machine"
    close_the_office(settings)
    assert sign_in("alice").status_code == 429, "a browser that nobody knows"
    assert let_in(client, "alice") == let_in(client, "bob") == 302


def test_a_browser_is_known_for_those_it_let_in_and_opens_no_other_name(client, alice, bob, settings):
    let_in(client, "alice")
    close_the_office(settings)
    assert let_in(client, "bob") == 429
    assert [let_in(client, "alice", "wrong") for _ in range(5)] == [200, 200, 200, 200, 429]
    assert let_in(client, "alice") == 429, "five wrong passwords close the name here too"


def test_a_known_browser_cannot_be_made_up(client, alice, bob, settings):
    let_in(client, "alice")
    real = client.cookies["known"].value
    assert str(bob.pk) != str(alice.pk)
    close_the_office(settings)
    for made_up in (str(bob.pk), real.replace(str(alice.pk), str(bob.pk), 1), real[:-1], ":", "", "x" * 5000):
        client.cookies["known"] = made_up
        assert let_in(client, "bob") == 429


def test_the_cookie_of_a_known_browser_is_no_session_and_ends(client, alice, settings, monkeypatch):
    let_in(client, "alice")
    cookie = client.cookies["known"]
    assert (cookie["path"], cookie["httponly"], cookie["samesite"]) == ("/accounts/login/", True, "Lax")
    assert int(cookie["max-age"]) == sign_in_page.KNOWN_FOR.total_seconds()
    del client.cookies["sessionid"]
    assert client.get("/").status_code == 302
    close_the_office(settings)
    monkeypatch.setattr(sign_in_page, "KNOWN_FOR", timedelta(seconds=-1))
    assert let_in(client, "alice") == 429


def test_the_page_says_what_to_do(client, alice, settings):
    fail("alice", 4)
    response = sign_in("alice", "wrong")
    assert (response.status_code, response["Retry-After"]) == (429, "900")
    assert b"Try again in 15 minutes" in response.content
    assert [template.name for template in response.templates][:1] == ["registration/locked.html"]
    assert "no-store" in response["Cache-Control"]


def test_no_password_is_kept_or_logged(alice, caplog):
    caplog.set_level("INFO")
    sign_in("alice", "hunter2-secret")
    fail("alice", 5)
    attempts = str(list(AccessAttempt.objects.values()))
    assert "hunter2-secret" not in attempts + caplog.text
    assert "alice" in attempts


def test_the_log_names_the_address_and_not_what_was_typed_as_a_name(db, caplog):
    fail("hunter2-secret", 5)
    assert f"Locking out {OFFICE}" in caplog.text
    assert "hunter2-secret" not in caplog.text


def test_no_other_page_pays_for_it(client, alice):
    client.force_login(alice)
    fail("alice", 5, "127.0.0.1")
    with CaptureQueriesContext(connection) as queries:
        assert client.get("/").status_code == 200
    assert not [query for query in queries if "axes" in query["sql"]]


def test_a_form_without_a_name_is_no_attempt(db):
    for name in ("a\0b", ""):
        assert sign_in(name, "wrong").status_code == 200
    assert not AccessAttempt.objects.exists()


def test_a_name_of_any_length_is_counted(db):
    assert fail("x" * 100_000, 5) == [200, 200, 200, 200, 429]


def test_what_a_client_says_of_itself_breaks_nothing(alice):
    odd = {"HTTP_USER_AGENT": "é" * 3000, "HTTP_ACCEPT": "é" * 3000, "QUERY_STRING": "next=%00&x=%ff&y=" + "z" * 3000}
    assert sign_in("alice", "wrong", **odd).status_code == 200


@pytest.mark.parametrize(
    ("behind_proxy", "neighbour", "header", "address"),
    [
        (False, "192.0.2.1", None, "192.0.2.1"),
        (False, "192.0.2.1", "198.51.100.7", "192.0.2.1"),
        (True, "10.0.0.1", "198.51.100.7", "198.51.100.7"),
        (True, "10.0.0.1", "203.0.113.5, 198.51.100.7", "198.51.100.7"),
        (True, "10.0.0.1", "203.0.113.5,198.51.100.7 ", "198.51.100.7"),
        (True, "10.0.0.1", "198.51.100.7, nonsense", "10.0.0.1"),
        (True, "10.0.0.1", None, "10.0.0.1"),
        (True, "10.0.0.1", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        (True, "10.0.0.1", "::ffff:198.51.100.7", "198.51.100.7"),
        (False, "fe80::1%eth0", None, "fe80::"),
        (False, "", None, None),
    ],
)
def test_the_address_is_that_of_the_client_and_not_what_it_claims(settings, behind_proxy, neighbour, header, address):
    settings.BEHIND_PROXY = behind_proxy
    headers = {"HTTP_X_FORWARDED_FOR": header} if header else {}
    assert find_client_address(RequestFactory().get("/", REMOTE_ADDR=neighbour, **headers)) == address


def test_behind_a_proxy_people_do_not_share_its_address(alice, settings):
    settings.BEHIND_PROXY = True
    for _ in range(5):
        response = sign_in("alice", "wrong", "10.0.0.1", HTTP_X_FORWARDED_FOR=f"1.1.1.1, {ELSEWHERE}")
    assert response.status_code == 429
    assert sign_in("alice", address="10.0.0.1", HTTP_X_FORWARDED_FOR=OFFICE).status_code == 302


def test_an_address_that_is_unknown_is_throttled_as_one(alice):
    assert fail("alice", 5, "") == [200, 200, 200, 200, 429]


ANOTHER_PROCESS = """
import sys, django
django.setup()
from django.db import connection
from django.test import Client
from django.test.utils import setup_test_environment
setup_test_environment()
connection.settings_dict["NAME"] = sys.argv[1]
client = Client()
client.cookies["sessionid"] = sys.argv[2]
response = client.get("/")
print(response.status_code, response.context["user"].username)
"""


def test_a_session_outlives_the_process_that_made_it(transactional_db, alice):
    """Another process, as after a restart or on another machine, recognises the session."""
    client = Client()
    client.force_login(alice)
    key = client.cookies["sessionid"].value
    assert SessionStore(key)[SESSION_KEY] == str(alice.pk)
    done = subprocess.run(
        [sys.executable, "-c", ANOTHER_PROCESS, str(connection.settings_dict["NAME"]), key],
        capture_output=True,
        text=True,
        cwd=settings.BASE_DIR,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"},
    )
    assert done.stdout == "200 alice\n", done.stderr


def test_a_session_ends_with_the_deactivation(client, alice):
    client.force_login(alice)
    assert client.get("/").status_code == 200
    alice.is_active = False
    alice.save()
    assert client.get("/").status_code == 302
    assert sign_in("alice").status_code == 200, "and the form lets nobody in"


def test_a_session_ends_with_a_new_password(client, alice):
    client.force_login(alice)
    alice.set_password("another")
    alice.save()
    assert client.get("/").status_code == 302
