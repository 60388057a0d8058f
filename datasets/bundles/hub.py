"""Push of a bundle to the Hugging Face Hub, or to a mirror with its API (HF_ENDPOINT). Needs the extra `hub`.

The files of the archive are pushed unchanged, in one commit: all or none. The client sends open files over plain HTTP,
which allows progress reports and cancellation.
"""

import contextlib
import io
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from datasets.bundles.archive import LEFT_OUT, PAIRS, get_dialects
from datasets.bundles.card import SETTINGS, get_member_path
from datasets.bundles.snapshots import iter_content
from datasets.models import Snapshot
from datasets.text.near_duplicates import PARTS

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo, CommitOperationAdd, CommitOperationDelete, DatasetInfo, HfApi

TIMEOUT_S = 60  # seconds without a byte
MOST_DETAIL = 300  # characters
REASON_BY_STATUS = {401: "token_refused", 403: "forbidden", 404: "not_there", 409: "conflict", 412: "conflict"}


class CannotPush(Exception):
    """A push failed.

    reason: a key of reasons.HUB.
    detail: the server's or the client's message.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


@dataclass(frozen=True)
class PushResult:
    """What a push has left on the Hub. changed: whether it made a commit."""

    url: str
    commit: str
    private: bool
    changed: bool


def is_installed() -> bool:
    """Whether the extra `hub` is installed."""
    return all(map(find_spec, ("huggingface_hub", "cryptography")))


def push(
    snapshot: Snapshot,
    repo: str,
    token: str,
    public: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> PushResult:
    """Pushes the files of a bundle to a repository, which is created if necessary.

    Idempotent. Deletes files that an earlier bundle has left and this one lacks; keeps all others. Refuses to push a
    private bundle to a public repository.

    repo: organisation/name.
    progress: called with (bytes done, bytes in all).

    Raises CannotPush.
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


def commit(
    api: "HfApi", repo: str, snapshot: Snapshot, operations: "list[CommitOperationAdd | CommitOperationDelete]"
) -> "CommitInfo":
    """Makes the commit that has all operations."""
    about = f"Bundle {snapshot.number} of {snapshot.dataset.slug}, SHA-256 {snapshot.sha256}"
    return api.create_commit(
        repo,
        operations,
        commit_message=str(snapshot),
        commit_description=about,
        repo_type="dataset",
        num_threads=1,
    )


def build_client(token: str) -> "HfApi":
    """A quiet client with a timeout."""
    from huggingface_hub import HfApi, utils

    utils.disable_progress_bars()
    utils.logging.set_verbosity_error()
    utils.get_session().timeout = TIMEOUT_S
    return HfApi(endpoint=settings.HF_ENDPOINT or None, token=token)


@contextlib.contextmanager
def unpacked_files(snapshot: Snapshot) -> Iterator[dict[str, Path]]:
    """{name: path} of the files of a bundle, which exist inside the context. Memory holds a piece of one file."""
    with tempfile.TemporaryDirectory(dir=settings.DATA_DIR, prefix="push-") as name:
        folder = Path(name) / "files"
        with tempfile.TemporaryFile(dir=name) as archive:
            archive.writelines(iter_content(snapshot))
            with zipfile.ZipFile(archive) as opened:
                opened.extractall(folder)
        yield {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}


def build_additions(
    files: Mapping[str, Path], progress: Callable[[int, int], None]
) -> "list[CommitOperationAdd | CommitOperationDelete]":
    """Operations that add the files. The client reads each at least twice: to hash and to send it."""
    from huggingface_hub import CommitOperationAdd

    tracker = UploadTracker(2 * sum(path.stat().st_size for path in files.values()), progress)
    return [CommitOperationAdd(name, TrackedFile(path, tracker)) for name, path in files.items()]


def build_deletions(
    files: Mapping[str, Path], repository: "DatasetInfo"
) -> "list[CommitOperationAdd | CommitOperationDelete]":
    """Operations that delete files of an earlier bundle."""
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
    """Sums the bytes read from all files, and reports them."""

    def __init__(self, total: int, progress: Callable[[int, int], None]) -> None:
        self.done, self.total, self.progress = 0, total, progress

    def add(self, size: int) -> None:
        """Reports `size` more bytes; never more than the total."""
        self.done = min(self.done + size, self.total)
        self.progress(self.done, self.total)


class TrackedFile(io.BufferedReader):
    """A file whose reads are reported."""

    def __init__(self, path: Path, tracker: UploadTracker) -> None:
        super().__init__(io.FileIO(path))
        self.tracker = tracker

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.tracker.add(len(data))
        return data


@contextlib.contextmanager
def translated_errors(token: str) -> Iterator[None]:
    """Raises the client's errors as CannotPush, without the token in their messages."""
    if not is_installed():
        raise CannotPush("not_installed")
    import httpx2
    from huggingface_hub import errors

    def build_error(reason: str, detail: Any) -> CannotPush:
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


def get_reason(status: int) -> str:
    """Reason of a CannotPush for an HTTP status."""
    busy = status == 429 or status >= 500
    return REASON_BY_STATUS.get(status, "out_of_order" if busy else "refused")


@contextlib.contextmanager
def unwrapped_errors() -> Iterator[None]:
    """Raises the cause of a RuntimeError: the client wraps what ends an upload into one, a cancellation too."""
    try:
        yield
    except RuntimeError as why:
        raise why.__cause__ or why from None
