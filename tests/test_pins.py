"""The pinned requirements: one version per package, a SHA-256 for each file, no index."""

import re

import pytest
from django.conf import settings

FILES = ["requirements.txt", "requirements-hub.txt", "requirements-dev.txt"]
PIN = re.compile(r"^([a-z0-9-]+)==(\S+)(?: ; .+?)?((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", re.M)


def read_pins(name):
    return {package: version for package, version, _ in PIN.findall(read(name))}


def read(name):
    return (settings.BASE_DIR / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FILES)
def test_every_requirement_is_a_version_with_hashes_and_nothing_else(name):
    assert read_pins(name)
    assert PIN.sub("", read(name)).strip() == ""


def test_the_files_agree_with_each_other_and_with_the_bare_pins():
    bare = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", read("constraints.txt"), re.M))
    everything = read_pins("requirements-dev.txt")
    for name in FILES:
        assert read_pins(name).items() <= everything.items()
    assert {package: version for package, version in bare.items() if everything.get(package) != version} == {}


def test_whatever_the_project_asks_for_is_pinned():
    asked = set(re.findall(r'^  "([a-z0-9-]+)(?:\[binary\])?>=', read("pyproject.toml"), re.M))
    assert {"django", "numpy", "ruff"} <= asked
    assert asked - {"chosen"} <= read_pins("requirements-dev.txt").keys()
