"""Pushes of a bundle, by the real client, to a fake Hub (tests/hub.py)."""

import hashlib
import io
import json
import subprocess
import sys
import tracemalloc
import zipfile

import huggingface_hub
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import IntegrityError
from django.utils import timezone
from django.utils.translation import override
from huggingface_hub import constants

from datasets import reasons
from datasets.bundles import hub
from datasets.bundles.archive import Settings, make_bundle
from datasets.bundles.snapshots import iter_content, save_snapshot
from datasets.jobs import secrets, worker
from datasets.jobs.worker import JobCancellation, work_until_idle
from datasets.models import Job
from tests.hub import TOKEN, fake_hub

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.once,  # what the Hub is sent does not depend on the database
]

PAGE = "/datasets/demo/bundles/1/"


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(worker, "IDLE", 0)
    monkeypatch.setattr(worker, "HEARTBEAT", 0.05)


@pytest.fixture
def there(settings):
    """The Hub."""
    with fake_hub() as hub:
        settings.HF_ENDPOINT = hub.url
        yield hub
    huggingface_hub.close_session()


@pytest.fixture
def dataset(make_dataset):
    judged = [
        {"prompt": f"Why {n}?", "chosen": "Because. " * 30, "rejected": "No idea.", "annotator": "eve"}
        for n in range(30)
    ]
    return make_dataset(judged)


@pytest.fixture
def kept(dataset):
    return make_bundle(dataset, Settings(dialects=("dpo", "kto")), "admin")


@pytest.fixture
def browsing(client, admin, kept):
    """An admin's browser."""
    client.force_login(admin)
    return client


def push(browsing, address=PAGE, **form):
    """Pushes through the page and runs the worker; returns the task."""
    said = {"repo": "org/data", "token": TOKEN, **form}
    browsing.post(f"{address}push/", {name: value for name, value in said.items() if value is not None})
    work_until_idle()
    return Job.objects.latest("pk")


def compute_hashes(snapshot):
    """{path: SHA-256} of the archive's files."""
    with zipfile.ZipFile(io.BytesIO(b"".join(iter_content(snapshot)))) as archive:
        return {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()}


def test_every_file_arrives_to_the_byte_in_a_private_repository(browsing, kept, there):
    job = push(browsing)
    repo = there.repos["org/data"]
    assert repo["files"] == compute_hashes(kept)
    assert "data/dpo/train.jsonl" in repo["files"]
    assert (repo["private"], len(repo["commits"]), repo["summary"]) == (True, 2, "demo-1")
    assert {path for method, path in there.sent if method == "PUT"}, "large files go the long way"
    assert (job.state, job.done, job.done) == ("done", job.total, job.total)
    answer = browsing.get(f"/datasets/upload/tasks/{job.pk}/")
    assert answer["Location"] == PAGE
    shown = browsing.get(PAGE).content.decode()
    assert f"{there.url}/datasets/org/data" in shown
    assert 'value="org/data"' in shown, "the next goes most likely there too"


def test_the_same_bundle_again_changes_nothing(browsing, there):
    push(browsing)
    before = json.dumps(there.repos)
    job = push(browsing)
    assert job.result["changed"] is False
    assert json.dumps(there.repos) == before
    assert "nothing was new" in browsing.get(PAGE).content.decode()


def test_what_an_earlier_bundle_left_is_taken_away_and_nothing_else(browsing, there, dataset):
    there.make("org/data", notes_md=b"", gitattributes=b"")
    push(browsing)
    later = make_bundle(dataset, Settings(dialects=("dpo",), shares=(100, 0, 0)), "admin")
    push(browsing, "/datasets/demo/bundles/2/")
    assert there.repos["org/data"]["files"] == compute_hashes(later) | {"notes.md": "", "gitattributes": ""}


def test_it_is_public_where_that_is_asked_for(browsing, there):
    assert push(browsing, public="on").result["private"] is False
    assert there.repos["org/data"]["private"] is False


def test_the_token_is_nowhere_to_be_read_and_gone_in_the_end(browsing, there, caplog, capfd):
    browsing.post(f"{PAGE}push/", {"repo": "org/data", "token": TOKEN})
    waiting = Job.objects.get()
    assert waiting.secret
    assert TOKEN not in repr(vars(waiting))
    assert secrets.unseal(waiting.secret) == TOKEN
    address = f"/datasets/upload/tasks/{waiting.pk}/"
    assert TOKEN not in browsing.get(address).content.decode()
    work_until_idle()
    waiting.refresh_from_db()
    assert (waiting.state, waiting.secret) == ("done", "")
    assert TOKEN not in repr(vars(waiting)) + caplog.text + "".join(capfd.readouterr())
    with pytest.raises(IntegrityError):
        Job.objects.update(secret="x")


def test_the_token_of_one_that_never_began_is_gone_too(browsing, there):
    browsing.post(f"{PAGE}push/", {"repo": "org/data", "token": TOKEN})
    worker.cancel(Job.objects.get())
    assert (Job.objects.get().secret, there.sent) == ("", [])
    browsing.post(f"{PAGE}push/", {"repo": "org/data", "token": TOKEN})
    Job.objects.filter(state="waiting").update(attempts=worker.MOST_ATTEMPTS)
    work_until_idle()
    assert Job.objects.latest("pk").error == "gave_up"
    assert Job.objects.latest("pk").secret == ""


def test_without_a_token_that_of_the_environment_is_taken(browsing, there, settings):
    answer = browsing.post(f"{PAGE}push/", {"repo": "org/data"})
    assert (answer.status_code, Job.objects.count()) == (422, 0)
    settings.HF_TOKEN = TOKEN
    assert push(browsing, token=None).state == "done"
    settings.HF_TOKEN = ""
    Job.objects.create(kind="push", dataset=Job.objects.get().dataset, arguments=Job.objects.get().arguments)
    work_until_idle()
    assert Job.objects.latest("pk").result == {"reason": "no_token"}


def test_a_token_that_cannot_be_read_any_more_is_said(browsing, there, settings, monkeypatch):
    browsing.post(f"{PAGE}push/", {"repo": "org/data", "token": TOKEN})
    settings.SECRET_KEY = "another"
    work_until_idle()
    assert Job.objects.get().error == reasons.HUB["token_gone"]
    sealed = secrets.seal(TOKEN)
    monkeypatch.setattr(secrets, "GOOD_FOR", -1)
    with pytest.raises(secrets.UnreadableSecret):
        secrets.unseal(sealed)


def answer_with(method, path, status, body):
    return lambda there, settings, monkeypatch: there.fails.update({(method, path): (status, body)})


def echo_token(there, settings, monkeypatch):
    there.organisations.clear()
    there.fails["POST", "create"] = (400, {"error": f"what is {TOKEN}?"})


FAILURES = {
    "forbidden": answer_with("POST", "create", 403, {"error": "You don't have the rights"}),
    "not_there": lambda there, settings, monkeypatch: there.organisations.clear(),
    "is_public": lambda there, settings, monkeypatch: there.make("org/data", private=False),
    "conflict": answer_with("POST", "commit", 409, {"error": "A commit has happened since"}),
    "out_of_order": answer_with("POST", "create", 503, {"error": "down"}),
    "refused": echo_token,
    "odd_answer": answer_with("POST", "create", 200, b"<h1>It works!</h1>"),
    "unreachable": lambda there, settings, monkeypatch: setattr(settings, "HF_ENDPOINT", "http://127.0.0.1:9"),
    "offline": lambda there, settings, monkeypatch: monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True),
    "not_installed": lambda there, settings, monkeypatch: monkeypatch.setattr(hub, "is_installed", lambda: False),
}


@pytest.mark.parametrize("reason", FAILURES)
def test_what_goes_wrong_is_said_and_nothing_is_half_there(browsing, there, settings, monkeypatch, caplog, reason):
    FAILURES[reason](there, settings, monkeypatch)
    job = push(browsing)
    assert (job.state, job.result) == ("failed", {"reason": reason})
    assert job.error.startswith(str(reasons.HUB[reason]))
    assert TOKEN not in job.error + caplog.text
    assert all(len(repo["commits"]) == 1 for repo in there.repos.values())
    shown = browsing.get(f"/datasets/upload/tasks/{job.pk}/").content.decode()
    assert PAGE in shown, "the way back"


def test_a_wrong_token_is_refused_in_the_language_of_who_asked(browsing, there, admin):
    admin.language = "zh-hans"
    admin.save()
    job = push(browsing, token="hf_wrong")
    with override("zh-hans"):
        assert job.error.startswith(str(reasons.HUB["token_refused"]))
    assert "hf_wrong" not in job.error, "though the server said it"
    assert there.repos == {}


@pytest.mark.parametrize(
    "wrong",
    [{"repo": "data"}, {"repo": "a/b/c"}, {"repo": "org/ä"}, {"repo": ""}, {"token": "a b"}, {"token": "a\n"}],
)
def test_a_form_that_cannot_be_is_shown_again_without_its_token(browsing, wrong):
    answer = browsing.post(f"{PAGE}push/", {"repo": "org/data", "token": "hf_secret", **wrong})
    if wrong == {"token": "a\n"}:  # a line end from the clipboard is stripped
        assert answer.status_code == 302
        return
    assert (answer.status_code, Job.objects.count()) == (422, 0)
    assert "hf_secret" not in answer.content.decode()


@pytest.mark.parametrize("repo", ["org/a--b", "org/a.git"])
def test_a_name_that_only_the_client_knows_to_be_wrong_is_refused_too(browsing, there, repo):
    assert push(browsing, repo=repo).result == {"reason": "bad_name"}
    assert there.sent == []


def test_one_that_is_stopped_half_way_commits_nothing(kept, there):
    def stop(done, total):
        if done > total / 2:
            raise JobCancellation

    with pytest.raises(JobCancellation):
        hub.push(kept, "org/data", TOKEN, progress=stop)
    assert len(there.repos["org/data"]["commits"]) == 1


def test_a_bundle_of_any_size_never_lies_in_memory(dataset, there, tmp_path):
    path, large = tmp_path / "big.zip", 48 << 20
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.md", "---\n---\n")
        with archive.open("dpo.jsonl", "w") as member:
            for _ in range(48):
                member.write(b"x" * (1 << 20))
    kept = save_snapshot(dataset, path, {"files": {}}, timezone.now(), "admin")
    hub.push(kept, "org/data", TOKEN)
    tracemalloc.start()
    hub.push(kept, "org/more", TOKEN)
    there.stored.clear()
    hub.push(kept, "org/last", TOKEN)
    assert tracemalloc.get_traced_memory()[1] < 12 << 20
    tracemalloc.stop()
    assert large in there.stored.values()


def test_the_command_pushes_and_sums_up(kept, there, settings, run_command, monkeypatch):
    settings.HF_TOKEN = TOKEN
    status, told, _ = run_command("push_bundle", "demo", "1", "--repo", "org/data")
    assert (status, told["url"], told["private"], told["changed"]) == (0, f"{there.url}/datasets/org/data", True, True)
    assert Job.objects.get().state == "done"
    settings.HF_TOKEN = ""
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{TOKEN}\n"))
    told = run_command("push_bundle", "demo", "1", "--repo", "org/data", "--token-stdin")[1]
    assert told["changed"] is False


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["none", "1", "--repo", "org/data"], 2),
        (["demo", "7", "--repo", "org/data"], 2),
        (["demo", "1", "--repo", "data"], 2),
        (["demo", "1", "--repo", "else/data"], 1),
    ],
)
def test_the_command_says_what_is_wrong(kept, there, settings, arguments, status):
    settings.HF_TOKEN = TOKEN
    with pytest.raises(CommandError) as error:
        call_command("push_bundle", *arguments)
    assert error.value.returncode == status


def test_where_the_extra_is_missing_the_page_says_how_to_get_it(browsing, monkeypatch):
    monkeypatch.setattr("datasets.bundles.hub.find_spec", lambda name: None)
    shown = browsing.get(PAGE).content.decode()
    assert "requirements-hub.txt" in shown
    assert 'name="token"' not in shown
    assert browsing.post(f"{PAGE}push/", {"repo": "org/data", "token": TOKEN}).status_code == 422
    assert Job.objects.count() == 0


def test_the_client_takes_nothing_from_the_library_that_is_called_like_our_package():
    code = (
        "import sys; from huggingface_hub import HfApi, CommitOperationAdd, utils; HfApi(token='x')._build_hf_headers()"
    )
    code += "; utils.get_session(); assert 'datasets' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_push_is_named_by_what_goes_where(browsing, there):
    job = push(browsing)
    assert "demo-1 → org/data" in browsing.get("/datasets/upload/tasks/").content.decode()
    assert job.arguments["of"] == "demo-1 → org/data"
