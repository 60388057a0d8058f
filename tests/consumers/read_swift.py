"""Read exported files with ms-swift: `python -I read_swift.py {"NAME": {"file": …, "columns": …}, …}` (JSON;
columns: the value of `--columns`).

Uses its own `load_dataset` and preprocessors, strict, offline. The last line of stdout is one JSON object: the version,
and for each file its rows as texts in ChatML: [whole], [with chosen, with rejected] or [whole, label].
"""

import importlib.metadata
import json
import os
import sys
import tempfile
from pathlib import Path

FOLDER = tempfile.TemporaryDirectory()
os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": FOLDER.name, "MODELSCOPE_CACHE": FOLDER.name}
sys.path.append(str(Path(__file__).parent))

from swift.dataset import load_dataset  # noqa: E402
from tiny import format_chatml  # noqa: E402


def main():
    read = {name: read_rows(**asked) for name, asked in json.loads(sys.argv[1]).items()}
    print(json.dumps({"consumer": "ms-swift", "version": importlib.metadata.version("ms-swift"), "read": read}))


def read_rows(file, columns=None):
    dataset, _ = load_dataset(file, strict=True, columns=columns)
    return [list(iter_texts(row)) for row in dataset]


def iter_texts(row):
    """The texts of a row as ms-swift's trainers see it: a rejected answer replaces the last message."""
    messages, response = row["messages"], row.get("rejected_response")
    yield format_chatml(messages)
    if response is not None:
        yield format_chatml([*messages[:-1], {"role": "assistant", "content": response}])
    if row.get("rejected_messages"):
        yield format_chatml(row["rejected_messages"])
    if row.get("label") is not None:
        yield row["label"]


if __name__ == "__main__":
    main()
