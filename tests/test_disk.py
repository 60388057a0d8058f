"""A full disk: every page says so, and nothing is half stored."""

import errno
import shutil

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError

from annotate.views import judge
from api.tokens import create_token
from datasets import disk
from datasets.disk import DiskFull, has_room, is_disk_full
from datasets.imports import tasks
from datasets.models import Import, Job

FULL = OperationalError("database or disk is full")


def upload(client):
    file = SimpleUploadedFile("r.jsonl", b'{"prompt": "p", "response_1": "a", "response_2": "b"}\n')
    return client.post("/datasets/upload/", {"slug": "fresh", "files": file, "overlap": "1"})


def test_what_says_that_the_disk_is_full():
    cause = OperationalError("could not extend file: No space left on device")
    wrapped = ValueError("x")
    wrapped.__cause__ = cause
    for error in (DiskFull(), OSError(errno.ENOSPC, "no"), OSError(errno.EDQUOT, "no"), FULL, cause, wrapped):
        assert is_disk_full(error)
    for error in (OSError(errno.EACCES, "no"), OperationalError("database is locked"), ValueError("disk is full")):
        assert not is_disk_full(error)


def test_uploads_leave_room_to_the_database(monkeypatch):
    usage = shutil._ntuple_diskusage
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _path: usage(10 << 30, 9 << 30, 1 << 30))
    assert has_room()
    assert not has_room(900 << 20)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _path: usage(40 << 20, 30 << 20, 10 << 20))
    assert has_room(7 << 20)
    assert not has_room(9 << 20)


@pytest.mark.django_db
def test_an_upload_without_room_is_refused_in_words(client, admin, monkeypatch):
    client.force_login(admin)
    monkeypatch.setattr("datasets.views.request_bodies.has_room", lambda n=0: False)
    answer = upload(client)
    assert answer.status_code == 507
    assert "no room for this upload" in answer.content.decode()
    assert not Job.objects.exists()


@pytest.mark.django_db
def test_a_file_that_cannot_be_written_is_refused_in_words_and_closed(client, admin, monkeypatch, settings):
    client.force_login(admin)

    def write(self, raw_data, start):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("django.core.files.uploadhandler.TemporaryFileUploadHandler.receive_data_chunk", write)
    answer = upload(client)
    assert answer.status_code == 507
    assert list(settings.FILE_UPLOAD_TEMP_DIR.iterdir()) == []


@pytest.mark.django_db
def test_a_check_that_fills_the_disk_says_so(client, admin, monkeypatch):
    client.force_login(admin)

    def check(*_args, **_named):
        raise FULL

    monkeypatch.setattr(tasks.imports_check, "check", check)
    answer = upload(client)
    assert answer.status_code == 507
    assert "disk has no room" in answer.content.decode()
    assert not Import.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_judging_on_a_full_disk_is_told_in_words(client, alice, pairs, monkeypatch, accept):
    client.force_login(alice)

    def fail_lease(*_args):
        raise FULL

    monkeypatch.setattr(judge, "lease_next", fail_lease)
    answer = client.get("/annotate/demo/", headers={"Accept": accept})
    assert answer.status_code == 507
    assert "disk is full" in answer.content.decode()


@pytest.mark.django_db
def test_rows_of_a_script_without_room_are_refused(client, admin, pairs, monkeypatch):
    _token, secret = create_token(admin, "t", reads=True, writes=True)
    monkeypatch.setattr("datasets.views.request_bodies.has_room", lambda n=0: False)
    rows = b'{"prompt": "p", "response_1": "a", "response_2": "b"}\n'
    headers = {"Authorization": f"Bearer {secret}"}
    answer = client.generic("POST", "/api/v1/datasets/demo/rows/", rows, "application/x-ndjson", headers=headers)
    assert (answer.status_code, "disk is full" in answer.content.decode()) == (507, True)
