"""The key that signs sessions, made once for each DATA_DIR."""

import os
import secrets
from pathlib import Path


def load_secret_key(data_dir: Path) -> str:
    """The key kept in `data_dir`, made at the first call; only the owner can read the file.

    Two processes that start at once agree: the key is written aside, whole, and linked into place once.
    """
    path = data_dir / "secret_key"
    if not path.exists():
        aside = data_dir / f"secret_key.{os.getpid()}"
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(50))
        try:
            os.link(aside, path)
        except FileExistsError:
            pass
        finally:
            aside.unlink()
    return path.read_text().strip()
