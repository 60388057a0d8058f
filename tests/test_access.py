"""Who may open what: a table of every URL. A URL that is missing in it fails."""

import contextlib
import re

import pytest
from django.db import InterfaceError, OperationalError, connection, transaction
from django.test import Client
from django.urls import get_resolver, resolve, reverse

from annotate.models import User
from annotate.queue.lease import lease_next
from api.models import Token
from api.tokens import create_token, token_required
from datasets.models import Comparison, Dataset, Gold, Import, Job, Judgment, Prompt
from datasets.views import access
from optimize.models import ChatSettings
from optimize.versions import save_version
from tests.conftest import build_rows

LOGIN = "sign in"  # a redirect to the sign-in page, for anonymous clients

# What each gets: an anonymous client, charlie (not a member), alice (a member), the admin. Then whom the view declares
# itself for; Django's own views declare nothing.
TABLE = {
    # name: (guard, GET, POST of an empty form)
    "home": (access.signed_in, (LOGIN, 200, 200, 200), (LOGIN, 405, 405, 405)),
    "annotate": (access.annotator_required, (LOGIN, 404, 200, 200), (LOGIN, 404, 422, 422)),
    "guideline": (access.annotator_required, (LOGIN, 404, 200, 200), (LOGIN, 404, 405, 405)),
    "undo": (access.annotator_required, (LOGIN, 404, 302, 302), (LOGIN, 404, 302, 302)),
    "ahead": (access.annotator_required, (LOGIN, 404, 302, 302), (LOGIN, 404, 200, 200)),
    "give-back": (access.annotator_required, (LOGIN, 404, 302, 302), (LOGIN, 404, 204, 204)),
    "draft": (access.annotator_required, (LOGIN, 404, 302, 302), (LOGIN, 404, 422, 422)),
    "differences": (access.annotator_required, (LOGIN, 404, 404, 404), (LOGIN, 404, 405, 405)),
    "history": (access.annotator_required, (LOGIN, 404, 200, 200), (LOGIN, 404, 405, 405)),
    "judged": (access.annotator_required, (LOGIN, 404, 404, 404), (LOGIN, 404, 405, 405)),
    "me": (access.annotator_required, (LOGIN, 404, 200, 200), (LOGIN, 404, 405, 405)),
    "practice": (access.annotator_required, (LOGIN, 404, 302, 302), (LOGIN, 404, 404, 404)),
    "practised": (access.annotator_required, (LOGIN, 404, 404, 404), (LOGIN, 404, 405, 405)),
    "review": (access.reviewer_required, (LOGIN, 404, 403, 200), (LOGIN, 404, 403, 400)),
    "review-undo": (access.reviewer_required, (LOGIN, 404, 403, 302), (LOGIN, 404, 403, 400)),
    "review-chosen": (access.dataset_admin_required, (LOGIN, 403, 403, 302), (LOGIN, 403, 403, 400)),
    "review-flagged": (access.reviewer_required, (LOGIN, 404, 403, 302), (LOGIN, 404, 403, 400)),
    "datasets": (access.admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 405)),
    "upload": (access.admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 422)),
    "rendered": (access.admin_required, (LOGIN, 403, 403, 302), (LOGIN, 403, 403, 200)),
    "import": (access.admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 302)),
    "tasks": (access.admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 405)),
    "task": (access.admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 302)),
    "dataset": (access.dataset_admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 405)),
    "dataset-settings": (access.dataset_admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 302)),
    "dataset-state": (access.dataset_admin_required, (LOGIN, 403, 403, 302), (LOGIN, 403, 403, 302)),
    "question": (access.dataset_admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 422)),
    "question-preview": (access.dataset_admin_required, (LOGIN, 403, 403, 302), (LOGIN, 403, 403, 422)),
    "imports": (access.dataset_admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 405)),
    "dataset-delete": (access.dataset_admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 422)),
    "prompt-new": (access.dataset_admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 422)),
    "prompt-edit": (access.dataset_admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 422)),
    "prompt": (access.dataset_admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 405)),
    "data": (access.dataset_admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 405)),
    "data-bulk": (access.dataset_admin_required, (LOGIN, 403, 403, 302), (LOGIN, 403, 403, 302)),
    "queue": (access.dataset_admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 422)),
    "dataset-invite": (access.dataset_admin_required, (LOGIN, 403, 403, 302), (LOGIN, 403, 403, 302)),
    "task-set-up": (access.dataset_admin_required, (LOGIN, 403, 403, 302), (LOGIN, 403, 403, 404)),
    "try": (access.dataset_admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 422)),
    "help": (access.signed_in, (LOGIN, 200, 200, 200), (LOGIN, 405, 405, 405)),
    "help-page": (access.signed_in, (LOGIN, 200, 200, 200), (LOGIN, 405, 405, 405)),
    "judgments": (access.dataset_admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 405)),
    "judgment": (access.dataset_admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 405)),
    "gold": (access.dataset_admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 302)),
    "gold-one": (access.dataset_admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 302)),
    "judgments-file": (access.dataset_admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 405)),
    "gold-new": (access.dataset_admin_required, (LOGIN, 403, 403, 302), (LOGIN, 403, 403, 302)),
    "gold-make": (access.dataset_admin_required, (LOGIN, 403, 403, 302), (LOGIN, 403, 403, 404)),
    "annotators": (access.dataset_admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 302)),
    "report": (access.dataset_admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 405)),
    "report-part": (access.dataset_admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 405)),
    "report-file": (access.dataset_admin_required, (LOGIN, 403, 403, 404), (LOGIN, 403, 403, 405)),
    "record": (access.dataset_admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 405)),
    "guidelines": (access.dataset_admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 302)),
    "log": (access.dataset_admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 405)),
    "log-file": (access.dataset_admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 405)),
    "log-all": (access.admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 405)),
    "log-all-file": (access.admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 405)),
    "pause": (access.dataset_admin_required, (LOGIN, 403, 403, 302), (LOGIN, 403, 403, 400)),
    "qualification-reset": (access.dataset_admin_required, (LOGIN, 403, 403, 302), (LOGIN, 403, 403, 400)),
    "flags": (access.dataset_admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 400)),
    "set-aside": (access.dataset_admin_required, (LOGIN, 403, 403, 302), (LOGIN, 403, 403, 302)),
    "exports": (access.dataset_admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 405)),
    "export": (access.dataset_admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 405)),
    "bundles": (access.dataset_admin_required, (LOGIN, 403, 403, 302), (LOGIN, 403, 403, 302)),
    "bundle": (access.dataset_admin_required, (LOGIN, 403, 403, 404), (LOGIN, 403, 403, 405)),
    "bundle-push": (access.dataset_admin_required, (LOGIN, 403, 403, 302), (LOGIN, 403, 403, 404)),
    "bundle-file": (access.dataset_admin_required, (LOGIN, 403, 403, 404), (LOGIN, 403, 403, 405)),
    "people": (access.admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 405)),
    "person-new": (access.admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 422)),
    "person": (access.admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 422)),
    "person-link": (access.admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 302)),
    "timesheet": (access.admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 405)),
    "hours": (access.admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 405)),
    "invite": (access.anyone, (410, 410, 410, 410), (410, 410, 410, 410)),
    "profile": (access.signed_in, (LOGIN, 200, 200, 200), (LOGIN, 302, 302, 302)),
    "password": (access.signed_in, (LOGIN, 302, 302, 302), (LOGIN, 422, 422, 422)),
    "tokens": (access.admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 422)),
    "token-revoke": (access.admin_required, (LOGIN, 403, 403, 302), (LOGIN, 403, 403, 302)),
    "models": (access.admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 422)),
    "model": (access.admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 422)),
    "model-endpoint": (access.admin_required, (LOGIN, 403, 403, 302), (LOGIN, 403, 403, 422)),
    "model-probe": (access.admin_required, (LOGIN, 403, 403, 302), (LOGIN, 403, 403, 302)),
    "model-try": (access.admin_required, (LOGIN, 403, 403, 302), (LOGIN, 403, 403, 422)),
    "start": (access.admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 422)),
    "generate": (access.dataset_admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 422)),
    "chat": (access.annotator_required, (LOGIN, 404, 200, 200), (LOGIN, 404, 422, 422)),
    "chat-judge": (access.annotator_required, (LOGIN, 404, 302, 302), (LOGIN, 404, 302, 302)),
    "chat-go-on": (access.annotator_required, (LOGIN, 404, 302, 302), (LOGIN, 404, 302, 302)),
    "chat-undo": (access.annotator_required, (LOGIN, 404, 302, 302), (LOGIN, 404, 302, 302)),
    "chats": (access.annotator_required, (LOGIN, 404, 200, 200), (LOGIN, 404, 302, 302)),
    "chat-settings": (access.dataset_admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 422)),
    "policy": (access.dataset_admin_required, (LOGIN, 403, 403, 200), (LOGIN, 403, 403, 422)),
    "v1-models": (token_required, (401, 401, 401, 401), (401, 401, 401, 401)),
    "v1-chat": (token_required, (401, 401, 401, 401), (401, 401, 401, 401)),
    "api-openapi": (access.anyone, (200, 200, 200, 200), (405, 405, 405, 405)),
    "api-nothing": (access.anyone, (404, 404, 404, 404), (404, 404, 404, 404)),
    "api-datasets": (token_required, (401, 401, 401, 401), (401, 401, 401, 401)),
    "api-dataset": (token_required, (401, 401, 401, 401), (405, 405, 405, 405)),
    "api-rows": (token_required, (405, 405, 405, 405), (401, 401, 401, 401)),
    "api-import": (token_required, (401, 401, 401, 401), (405, 405, 405, 405)),
    "api-export": (token_required, (401, 401, 401, 401), (405, 405, 405, 405)),
    "api-bundles": (token_required, (401, 401, 401, 401), (401, 401, 401, 401)),
    "api-feedback": (token_required, (405, 405, 405, 405), (401, 401, 401, 401)),
    "api-bundle": (token_required, (401, 401, 401, 401), (405, 405, 405, 405)),
    "api-archive": (token_required, (401, 401, 401, 401), (405, 405, 405, 405)),
    "api-task": (token_required, (401, 401, 401, 401), (405, 405, 405, 405)),
    "api-task-cancel": (token_required, (405, 405, 405, 405), (401, 401, 401, 401)),
    "language": (access.signed_in, (LOGIN, 302, 302, 302), (LOGIN, 302, 302, 302)),
    "login": (access.anyone, (200, 302, 302, 302), (200, 302, 302, 302)),
    "logout": (None, (405, 405, 405, 405), (LOGIN, LOGIN, LOGIN, LOGIN)),
    "set_language": (None, (302, 302, 302, 302), (302, 302, 302, 302)),
    "healthz": (access.anyone, (200, 200, 200, 200), (200, 200, 200, 200)),
    "metrics": (access.anyone, (404, 404, 404, 404), (404, 404, 404, 404)),
}
MOVED = {  # {old address: the name of the page that it leads to}; the old addresses have no names
    "people/": "people",
    "people/new/": "person-new",
    "people/hours.csv": "hours",
    "people/log/": "log-all",
    "people/log.csv": "log-all-file",
    "people/<int:pk>/": "person",
    "people/<int:pk>/link/": "person-link",
    "datasets/<slug:slug>/question/": "question",
    "datasets/<slug:slug>/question/preview/": "question",
    "datasets/<slug:slug>/people/pause/": "annotators",
    "datasets/<slug:slug>/optimize/": "generate",
    "datasets/<slug:slug>/imports/": "imports",
    "datasets/<slug:slug>/people/record/": "record",
    "datasets/<slug:slug>/guideline/": "guidelines",
    "datasets/<slug:slug>/flags/": "flags",
    "datasets/<slug:slug>/flags/set-aside/": "flags",
    "datasets/<slug:slug>/follow/": "dataset",
    "datasets/<slug:slug>/people/": "annotators",
    "datasets/<slug:slug>/report/": "report",
    "datasets/<slug:slug>/report/<slug:name>/": "report-part",
    "datasets/<slug:slug>/report/<slug:name>/<slug:table>.csv": "report-file",
}
ROWS = {  # the meaning of pk in a URL of this name
    "import": Import,
    "task": Job,
    "prompt": Prompt,
    "prompt-edit": Prompt,
    "judgment": Judgment,
    "differences": Judgment,
    "practised": Judgment,
    "gold-make": Judgment,
    "gold-one": Gold,
    "judged": Judgment,
    "person": User,
    "person-link": User,
    "token-revoke": Token,
}
NAMES = {"report-part": {"name": "counts"}, "report-file": {"name": "counts", "table": "counts"}}
NAMES |= {"help-page": {"name": "trust"}}
NAMES |= {name: {"name": "bot"} for name in ("model", "model-endpoint", "model-probe", "model-try")}
PEOPLE = ("stranger", "charlie", "alice", "admin")


def iter_routes(resolver, prefix=""):
    """(address, pattern) of each view, without the slash in front."""
    for pattern in resolver.url_patterns:
        route = f"{prefix}{pattern.pattern}"
        if hasattr(pattern, "url_patterns"):
            yield from iter_routes(pattern, route)
        else:
            yield route, pattern


def iter_patterns(resolver):
    """The views with names: those at their present addresses."""
    return (pattern for _route, pattern in iter_routes(resolver) if pattern.name)


@pytest.fixture
def world(make_dataset, alice, bob, charlie, admin):
    """A dataset restricted to alice and bob; the clients of the four."""
    dataset = make_dataset(build_rows(3))
    dataset.annotators.set([alice, bob])
    lease_next(bob, dataset)
    create_token(admin, "nightly", reads=True, writes=True)
    Job.objects.create(kind="store", dataset=dataset)
    save_version("bot", "http://127.0.0.1:9/v1", "tiny")
    ChatSettings.objects.create(dataset=dataset, names=["bot"])
    Gold.objects.create(comparison=Comparison.objects.latest("pk"), dataset=dataset, verdict="tie")
    clients = {"stranger": Client(), "charlie": Client(), "alice": Client(), "admin": Client()}
    for person in (alice, charlie, admin):
        clients[person.username].force_login(person)
    return clients


def build_url(name):
    """A URL of this name for an existing object."""
    keys = next(pattern for pattern in iter_patterns(get_resolver()) if pattern.name == name).pattern.converters
    found = {"slug": "demo", "name": "dpo", "uidb64": "nobody", "token": "none", "number": 1}
    found |= NAMES.get(name, {})
    found["pk"] = ROWS[name].objects.earliest("pk").pk if name in ROWS else None
    return reverse(name, kwargs={key: found[key] for key in keys})


def read_outcome(response):
    is_login = response.status_code == 302 and response["Location"].startswith(reverse("login"))
    return LOGIN if is_login else response.status_code


def test_every_url_is_in_the_table():
    assert {pattern.name for pattern in iter_patterns(get_resolver())} == set(TABLE)


def test_every_old_address_is_in_the_table():
    assert {route for route, pattern in iter_routes(get_resolver()) if not pattern.name} == set(MOVED)


def fill_route(route):
    """The address of a route, for a thing that need not exist."""
    return "/" + re.sub(r"<int:\w+>", "7", re.sub(r"<slug:\w+>", "demo", route))


def test_an_old_address_leads_to_the_new_one(world, subtests):
    for route, name in MOVED.items():
        with subtests.test(route), rolled_back():
            check_moved(world | {"stranger": Client()}, fill_route(route), name)


def check_moved(world, old, name):
    new = reverse(name, kwargs=resolve(old).kwargs)
    assert resolve(old).func.access is access.signed_in
    for person in ("charlie", "alice", "admin"):
        for method in ("get", "head", "post"):
            answer = getattr(world[person], method)(f"{old}?after=b&q=%E4%B8%AD")
            assert (answer.status_code, answer["Location"]) == (302, f"{new}?after=b&q=%E4%B8%AD")
        assert world[person].get(old)["Location"] == new
        assert world[person].put(old).status_code == 405
    sent = world["stranger"].get(f"{old}?q=a")
    assert read_outcome(sent) == LOGIN
    form = {"username": "alice", "password": "demo", "next": f"{old}?q=a"}
    back = world["stranger"].post(sent["Location"], form)
    assert world["stranger"].get(back["Location"])["Location"] == f"{new}?q=a"
    assert world["alice"].get(f"{old}?q=a", follow=True).status_code == world["alice"].get(new).status_code


@contextlib.contextmanager
def rolled_back():
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.mark.parametrize("method", ["get", "post"])
def test_each_person_gets_what_the_table_says(world, monkeypatch, method):
    """No answer is without the strict policy, and none is kept by a browser or a proxy."""
    form = {"csrfmiddlewaretoken": "as a browser sends it"} if method == "post" else None
    answers = request_all(world, method, form)
    outcomes = {name: tuple(map(read_outcome, found)) for name, found in answers.items()}
    expected = {name: row[1 if method == "get" else 2] for name, row in TABLE.items()}
    differences = {name: (got, expected[name]) for name, got in outcomes.items() if got != expected[name]}
    assert differences == {}, f"what {PEOPLE} get, and what the table says"
    odd = ("/nowhere/", "/datasets/demo/data/?after=x", "/datasets/demo/export/judgments-csv/")
    answers |= {path: [world["admin"].get(path)] for path in odd}
    monkeypatch.setattr("annotate.views.judge.get_recent_share", fail)
    world["alice"].raise_request_exception = False
    answers["a fault"] = [world["alice"].get("/")]
    statuses = {answer.status_code for found in answers.values() for answer in found}
    assert method == "post" or statuses == {200, 302, 400, 401, 403, 404, 405, 410, 500}
    assert answers["a fault"][0].status_code == 500
    assert any(answer.streaming for found in answers.values() for answer in found)
    for name, found in answers.items():
        for answer in found:
            check_policy(answer)
            said = [word.strip() for word in answer["Cache-Control"].split(",")] if name != "healthz" else []
            assert name == "healthz" or said.count("private") == said.count("no-store") == 1, name


def request_all(world, method, form):
    """{name of a URL: what each person is answered}: in one world, as the changes of each request are rolled back,
    including signing out."""
    answers, cookies = {}, {person: client.cookies.copy() for person, client in world.items()}
    for name in TABLE:
        with rolled_back():
            answers[name] = [getattr(world[person], method)(build_url(name), form) for person in PEOPLE]
        for person, client in world.items():
            client.cookies = cookies[person].copy()
    return answers


def check_policy(answer):
    policy = dict(directive.strip().split(" ", 1) for directive in answer["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
    assert not any(word in source for source in policy.values() for word in ("unsafe", "*", "data:", "http"))
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_every_view_of_ours_says_who_may_enter(world):
    guards = {name: resolve(build_url(name)).func.access for name, row in TABLE.items() if row[0]}
    assert guards == {name: row[0] for name, row in TABLE.items() if row[0]}


def test_the_views_that_say_nothing_are_djangos_own():
    silent = {pattern.name for _, pattern in iter_routes(get_resolver()) if not hasattr(pattern.callback, "access")}
    assert silent == {name for name, row in TABLE.items() if row[0] is None}
    assert all(
        pattern.callback.__module__.startswith("django.")
        for pattern in iter_patterns(get_resolver())
        if pattern.name in silent
    )


@pytest.mark.parametrize(
    ("path", "to_alice", "to_admin"),
    [
        ("/annotate/none/", 404, 404),
        ("/datasets/none/", 403, 404),
        ("/datasets/none/settings/", 403, 404),
        ("/datasets/demo/export/none/", 403, 404),
        ("/datasets/demo/prompts/987654/", 403, 404),
        (f"/datasets/demo/prompts/{10**30}/", 403, 404),
        ("/datasets/upload/987654/", 403, 404),
        (f"/datasets/upload/{10**30}/", 403, 404),
        ("/datasets/demo/data/?after=x", 403, 400),
        (f"/datasets/demo/data/?after={10**30}", 403, 400),
        ("/datasets/demo/export/dpo/?mode=none", 403, 400),
        ("/nowhere/", 404, 404),
    ],
)
def test_what_is_not_there_is_not_found_and_nonsense_is_refused(world, path, to_alice, to_admin):
    assert (world["alice"].get(path).status_code, world["admin"].get(path).status_code) == (to_alice, to_admin)


def test_a_prompt_is_found_in_its_own_dataset_only(world, make_dataset):
    other = make_dataset(build_rows(1), slug="other")
    assert world["admin"].get(reverse("prompt", args=["demo", other.prompts.get().pk])).status_code == 404


def test_a_dataset_that_names_nobody_is_open_to_every_annotator(world, make_dataset):
    make_dataset(build_rows(1), slug="open")
    assert world["charlie"].get("/annotate/open/").status_code == 200
    page = world["charlie"].get("/").content.decode()
    assert "/annotate/open/" in page
    assert "/annotate/demo/" not in page


def test_a_reviewer_may_review_and_judge_what_is_open_to_them_and_no_more(world, alice, charlie):
    User.objects.filter(pk__in=[alice.pk, charlie.pk]).update(role=User.Role.REVIEWER)
    paths = ("/annotate/demo/", "/annotate/demo/review/", "/datasets/", "/team/")
    assert [world["alice"].get(path).status_code for path in paths] == [200, 200, 403, 403]
    assert world["charlie"].get("/annotate/demo/review/").status_code == 404


def test_who_loses_access_is_out_at_the_next_request(world, alice):
    Dataset.objects.get().annotators.remove(alice)
    assert world["alice"].get("/annotate/demo/").status_code == 404


def test_the_deactivated_are_out_at_the_next_request(world, alice, admin):
    for person in (alice, admin):
        person.is_active = False
        person.save()
    assert read_outcome(world["alice"].get("/annotate/demo/")) == LOGIN
    assert read_outcome(world["admin"].get("/datasets/")) == LOGIN
    world["stranger"].post(reverse("login"), {"username": "alice", "password": "demo"})
    assert read_outcome(world["stranger"].get("/")) == LOGIN


def test_signing_out_needs_a_post_and_then_it_is_done(world):
    world["alice"].get(reverse("logout"))
    assert world["alice"].get("/").status_code == 200
    world["alice"].post(reverse("logout"))
    assert read_outcome(world["alice"].get("/")) == LOGIN


def test_whoever_was_sent_to_sign_in_comes_back_to_the_page(world):
    sent = world["stranger"].get("/annotate/demo/")
    answer = world["stranger"].post(
        sent["Location"], {"username": "alice", "password": "demo", "next": "/annotate/demo/"}
    )
    assert answer["Location"] == "/annotate/demo/"


def test_whoever_pressed_undo_after_signing_out_comes_back_to_the_comparison(world):
    next_page = world["stranger"].post("/annotate/demo/undo/")["Location"].partition("next=")[2]
    signed_in = world["stranger"].post(reverse("login"), {"username": "alice", "password": "demo", "next": next_page})
    answer = world["stranger"].get(signed_in["Location"], follow=True)
    assert (answer.status_code, answer.request["PATH_INFO"]) == (200, "/annotate/demo/")


@pytest.mark.parametrize(
    "elsewhere",
    ["https://evil.example/", "//evil.example/", r"\\evil.example", "http:evil.example", "javascript:alert(1)"],
)
def test_no_form_leads_to_another_host(world, elsewhere):
    signed_in = world["stranger"].post(reverse("login"), {"username": "alice", "password": "demo", "next": elsewhere})
    assert signed_in["Location"] == "/"
    language = world["alice"].post(reverse("set_language"), {"language": "en", "next": elsewhere})
    assert language["Location"] == "/"


def test_a_wrong_password_does_not_tell_whether_the_name_exists(world):
    said = [
        world["stranger"].post(reverse("login"), {"username": name, "password": "wrong"})
        for name in ("alice", "nobody")
    ]
    alice, nobody = (response.content.decode().split("<main")[1] for response in said)
    assert 'role="alert"' in alice
    assert strip_tokens(alice).replace("alice", "") == strip_tokens(nobody).replace("nobody", "")


def strip_tokens(html):
    return "".join(line for line in html.splitlines() if "csrfmiddlewaretoken" not in line)


@pytest.mark.parametrize("path", ["/annotate/demo/", "/annotate/demo/undo/", "/datasets/upload/", "/accounts/logout/"])
def test_a_form_without_its_token_is_refused_with_advice(world, admin, path):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(admin)
    answer = strict.post(path)
    assert answer.status_code == 403
    assert "The form has expired" in answer.content.decode()


@pytest.mark.parametrize("secure", [True, False])
def test_cookies_are_secure_where_the_page_came_by_https_and_only_there(world, secure):
    client = world["stranger"]
    client.get(reverse("login"), secure=secure)
    client.post(reverse("login"), {"username": "alice", "password": "demo"}, secure=secure)
    client.post(reverse("set_language"), {"language": "zh-hans"}, secure=secure)
    assert {name: bool(cookie["secure"]) for name, cookie in client.cookies.items()} == {
        "csrftoken": secure,
        "sessionid": secure,
        "known": secure,
        "django_language": secure,
    }
    assert client.cookies["sessionid"]["httponly"]


def fail(*args, **kwargs):
    raise RuntimeError("for the test")


def test_static_files_and_the_health_check_may_be_kept(world):
    for path in ("/static/ready.js", "/healthz"):
        answer = world["alice"].get(path)
        assert (answer.status_code, "no-store" in answer.get("Cache-Control", "")) == (200, False)


def test_healthz_says_ok_while_the_database_answers(client, db):
    answer = client.get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"ok")


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_healthz_says_503_when_the_database_does_not_answer(client, db, monkeypatch, error):
    def refuse_cursor(*args):
        raise error("gone")

    with monkeypatch.context() as broken_down:
        broken_down.setattr(connection, "cursor", refuse_cursor)
        assert client.get("/healthz").status_code == 503
