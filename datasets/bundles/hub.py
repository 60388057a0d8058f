"""A bundle to the Hugging Face Hub, or to a mirror that speaks its API (HF_ENDPOINT). Needs the extra `hub`.

The files go as they are in the archive, in one commit: all of them, or none. Over plain HTTP, as the client does with
open files: so it can be told how far they are, and a push can be stopped.
"""

import contextlib
import io
import tempfile
import zipfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from django.conf import settings

from datasets.bundles.archive import LEFT_OUT, PAIRS, bundled
from datasets.bundles.card import SETTINGS, member
from datasets.bundles.snapshots import content
from datasets.text.near_duplicates import PARTS

PATIENCE = 60  # seconds without a byte
DETAIL = 300
STATUSES = {401: "token_refused", 403: "forbidden", 404: "not_there", 409: "conflict", 412: "conflict"}


class CannotPush(Exception):
    """reason: a key of reasons.HUB; detail: what else is known, as the other side said it."""

    def __init__(self, reason, detail=""):
        super().__init__(reason)
        self.reason, self.detail = reason, detail


@dataclass(frozen=True)
class Pushed:
    """changed: whether there was anything new."""

    url: str
    commit: str
    private: bool
    changed: bool


def is_installed():
    return all(map(find_spec, ("huggingface_hub", "cryptography")))


def push(snapshot, repo, token, public=False, progress=lambda done, total: None):
    """Make the repository where there is none, and put the bundle's files into it. Raises CannotPush.

    The same bundle again changes nothing. What another bundle left there and this one does not have is taken away;
    all else that stands there stays. A bundle that is not to be public does not go into a public repository.
    """
    with put_in_words(token):
        from huggingface_hub import utils

        utils.validate_repo_id(repo)
        api = client(token)
        api.create_repo(repo, repo_type="dataset", private=not public, exist_ok=True)
        there = api.dataset_info(repo)
        if not (public or there.private):
            raise CannotPush("is_public")
        with unpacked(snapshot) as files:
            done = commit(api, repo, snapshot, [*additions(files, progress), *deletions(files, there)])
    return Pushed(f"{api.endpoint}/datasets/{repo}", done.oid, bool(there.private), done.oid != there.sha)


def commit(api, repo, snapshot, operations):
    about = f"Bundle {snapshot.number} of {snapshot.dataset.slug}, SHA-256 {snapshot.sha256}"
    message = {"commit_message": str(snapshot), "commit_description": about}
    return api.create_commit(repo, operations, **message, repo_type="dataset", num_threads=1)


def client(token):
    from huggingface_hub import HfApi, utils

    utils.disable_progress_bars()
    utils.logging.set_verbosity_error()
    utils.get_session().timeout = PATIENCE
    return HfApi(endpoint=settings.HF_ENDPOINT or None, token=token)


@contextlib.contextmanager
def unpacked(snapshot):
    """{name: path} of the files of a bundle, for as long as they are looked at. Memory holds a piece of one."""
    with tempfile.TemporaryDirectory(dir=settings.DATA_DIR, prefix="push-") as name:
        folder = Path(name) / "files"
        with tempfile.TemporaryFile(dir=name) as archive:
            archive.writelines(content(snapshot))
            with zipfile.ZipFile(archive) as opened:
                opened.extractall(folder)
        yield {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}


def additions(files, progress):
    """The files as the client takes them; each is read twice at least, for its hash and to send it."""
    from huggingface_hub import CommitOperationAdd

    read = Read(2 * sum(path.stat().st_size for path in files.values()), progress)
    return [CommitOperationAdd(name, File(path, read)) for name, path in files.items()]


def deletions(files, there):
    """What an earlier bundle left there."""
    from huggingface_hub import CommitOperationDelete

    data = {member(name, part, split) for name in bundled() for part in PARTS for split in (True, False)}
    gone = {one.rfilename for one in there.siblings or ()} & {*data, *SETTINGS, PAIRS, LEFT_OUT} - files.keys()
    return [CommitOperationDelete(name) for name in sorted(gone)]


class Read:
    """How much was read of all files."""

    def __init__(self, total, progress):
        self.done, self.total, self.progress = 0, total, progress

    def add(self, size):
        self.done = min(self.done + size, self.total)
        self.progress(self.done, self.total)


class File(io.BufferedReader):
    """A file that tells what is read of it."""

    def __init__(self, path, read):
        super().__init__(io.FileIO(path))
        self.told = read

    def read(self, size=-1):
        data = super().read(size)
        self.told.add(len(data))
        return data


@contextlib.contextmanager
def put_in_words(token):
    """Whatever the client raises as CannotPush. Nothing of it holds the token."""
    if not is_installed():
        raise CannotPush("not_installed")
    import httpx2
    from huggingface_hub import errors

    def told(reason, detail):
        return CannotPush(reason, str(detail or "").replace(token, "…").strip()[:DETAIL])

    try:
        with what_an_upload_wraps():
            yield
    except errors.HfHubHTTPError as why:
        raise told(reason_of(why.response.status_code), why.server_message) from None
    except errors.HFValidationError:
        raise CannotPush("bad_name") from None
    except errors.OfflineModeIsEnabled:
        raise CannotPush("offline") from None
    except httpx2.HTTPError as why:
        raise told("unreachable", why) from None
    except (ValueError, KeyError) as why:
        raise told("odd_answer", why) from None


def reason_of(status):
    busy = status == 429 or status >= 500
    return STATUSES.get(status, "out_of_order" if busy else "refused")


@contextlib.contextmanager
def what_an_upload_wraps():
    """The client hides in a RuntimeError what ends an upload, also that somebody has stopped it."""
    try:
        yield
    except RuntimeError as why:
        raise why.__cause__ or why from None
