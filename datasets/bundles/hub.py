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

from datasets.bundles.archive import LEFT_OUT, PAIRS, get_dialects
from datasets.bundles.card import SETTINGS, get_member_path
from datasets.bundles.snapshots import iter_content
from datasets.text.near_duplicates import PARTS

TIMEOUT_S = 60  # seconds without a byte
MOST_DETAIL = 300
REASON_BY_STATUS = {401: "token_refused", 403: "forbidden", 404: "not_there", 409: "conflict", 412: "conflict"}


class CannotPush(Exception):
    """reason: a key of reasons.HUB; detail: what else is known, as the other side said it."""

    def __init__(self, reason, detail=""):
        super().__init__(reason)
        self.reason, self.detail = reason, detail


@dataclass(frozen=True)
class PushResult:
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
    with translated_errors(token):
        from huggingface_hub import utils

        utils.validate_repo_id(repo)
        api = build_client(token)
        api.create_repo(repo, repo_type="dataset", private=not public, exist_ok=True)
        repository = api.dataset_info(repo)
        if not (public or repository.private):
            raise CannotPush("is_public")
        with unpacked_files(snapshot) as files:
            commit_info = commit(
                api, repo, snapshot, [*build_additions(files, progress), *build_deletions(files, repository)]
            )
    return PushResult(
        f"{api.endpoint}/datasets/{repo}", commit_info.oid, bool(repository.private), commit_info.oid != repository.sha
    )


def commit(api, repo, snapshot, operations):
    about = f"Bundle {snapshot.number} of {snapshot.dataset.slug}, SHA-256 {snapshot.sha256}"
    message = {"commit_message": str(snapshot), "commit_description": about}
    return api.create_commit(repo, operations, **message, repo_type="dataset", num_threads=1)


def build_client(token):
    from huggingface_hub import HfApi, utils

    utils.disable_progress_bars()
    utils.logging.set_verbosity_error()
    utils.get_session().timeout = TIMEOUT_S
    return HfApi(endpoint=settings.HF_ENDPOINT or None, token=token)


@contextlib.contextmanager
def unpacked_files(snapshot):
    """{name: path} of the files of a bundle, for as long as they are looked at. Memory holds a piece of one."""
    with tempfile.TemporaryDirectory(dir=settings.DATA_DIR, prefix="push-") as name:
        folder = Path(name) / "files"
        with tempfile.TemporaryFile(dir=name) as archive:
            archive.writelines(iter_content(snapshot))
            with zipfile.ZipFile(archive) as opened:
                opened.extractall(folder)
        yield {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}


def build_additions(files, progress):
    """The files as the client takes them; each is read twice at least, for its hash and to send it."""
    from huggingface_hub import CommitOperationAdd

    tracker = UploadTracker(2 * sum(path.stat().st_size for path in files.values()), progress)
    return [CommitOperationAdd(name, TrackedFile(path, tracker)) for name, path in files.items()]


def build_deletions(files, repository):
    """What an earlier bundle left there."""
    from huggingface_hub import CommitOperationDelete

    data = {get_member_path(name, part, split) for name in get_dialects() for part in PARTS for split in (True, False)}
    stale = {sibling.rfilename for sibling in repository.siblings or ()} & {
        *data,
        *SETTINGS,
        PAIRS,
        LEFT_OUT,
    } - files.keys()
    return [CommitOperationDelete(name) for name in sorted(stale)]


class UploadTracker:
    """How much was read of all files."""

    def __init__(self, total, progress):
        self.done, self.total, self.progress = 0, total, progress

    def add(self, size):
        self.done = min(self.done + size, self.total)
        self.progress(self.done, self.total)


class TrackedFile(io.BufferedReader):
    """A file that tells what is read of it."""

    def __init__(self, path, tracker):
        super().__init__(io.FileIO(path))
        self.tracker = tracker

    def read(self, size=-1):
        data = super().read(size)
        self.tracker.add(len(data))
        return data


@contextlib.contextmanager
def translated_errors(token):
    """Whatever the client raises as CannotPush. Nothing of it holds the token."""
    if not is_installed():
        raise CannotPush("not_installed")
    import httpx2
    from huggingface_hub import errors

    def build_error(reason, detail):
        return CannotPush(reason, str(detail or "").replace(token, "…").strip()[:MOST_DETAIL])

    try:
        with unwrapped_errors():
            yield
    except errors.HfHubHTTPError as why:
        raise build_error(get_reason(why.response.status_code), why.server_message) from None
    except errors.HFValidationError:
        raise CannotPush("bad_name") from None
    except errors.OfflineModeIsEnabled:
        raise CannotPush("offline") from None
    except httpx2.HTTPError as why:
        raise build_error("unreachable", why) from None
    except (ValueError, KeyError) as why:
        raise build_error("odd_answer", why) from None


def get_reason(status):
    busy = status == 429 or status >= 500
    return REASON_BY_STATUS.get(status, "out_of_order" if busy else "refused")


@contextlib.contextmanager
def unwrapped_errors():
    """The client hides in a RuntimeError what ends an upload, also that somebody has stopped it."""
    try:
        yield
    except RuntimeError as why:
        raise why.__cause__ or why from None
