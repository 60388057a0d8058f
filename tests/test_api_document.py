"""The OpenAPI document: served, complete, and correct (schemathesis sends what it allows, and what it does not)."""

import argparse
import gzip
import json
import re
import shlex
from functools import cache
from pathlib import Path

import pytest
import schemathesis
from django.test import Client
from django.utils.translation import override
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import booleans
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from api import openapi, schemas
from api.endpoints import api, build_document
from api.schemas import Agreement, RowsRefused, RowsStored, TaskOut
from api.tokens import create_token
from config.wsgi import application
from datasets.bundles.archive import Settings, make_bundle
from datasets.bundles.forms import BundleForm
from datasets.exports.forms import FilterForm
from datasets.models import Import, Job
from tests.conftest import build_rows

pytestmark = pytest.mark.once  # the other tests of the API run on both databases
DOCUMENT = "/api/v1/openapi.json"
DOCS = (Path(__file__).parent.parent / "docs" / "api.md").read_text("utf-8")
ANSWERS = re.findall(r"```json\n(.*)\n```", DOCS)
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, methods in build_document()["paths"].items()
    for method, operation in methods.items()
}


def test_anybody_may_read_the_document_and_no_page_comes_with_it(db):
    answer = Client().get(DOCUMENT)
    assert answer["Content-Type"] == "application/json"
    assert answer.json()["openapi"].startswith("3.")
    assert "unsafe" not in answer["Content-Security-Policy"]
    assert api.docs_url is None


def test_the_document_is_english_whoever_asks_first():
    with override("zh-hans"):
        labels = [field.description for _, field in schemas.build_settings_fields().values()]
        labels += [one["description"] for one in openapi.build_parameters(FilterForm, BundleForm)]
    assert all(labels)
    assert not re.search(r"[\u4e00-\u9fff]", "".join(labels))


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_says_how_it_can_end(name):
    said = OPERATIONS[name]["responses"]
    assert {401, 403, 404, 422} <= set(said)
    assert all("schema" in next(iter(said[status]["content"].values())) for status in said)
    assert OPERATIONS[name]["security"] == [{"Bearer": []}]
    assert OPERATIONS[name]["description"]


def test_the_filters_in_it_are_those_of_the_contract():
    names = {one["name"] for one in OPERATIONS["GET /api/v1/datasets/{slug}/export/{name}/"]["parameters"]}
    assert {"mode", "min-agreement", "annotator", "since", "until", "min-strength"} < names


def iter_commands():
    """The arguments of each curl command in the docs, without comments and pipes."""
    for block in re.findall(r"```sh\n(.*?)```", DOCS, re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            if "curl " in line:
                yield shlex.split(line[line.index("curl ") :], comments=True)[1:]


def parse_curl(words):
    """(method, path, body, content type) that curl would send."""
    options = argparse.ArgumentParser()
    for name in ("-H", "-X", "-T", "-d", "-o", "--data-binary"):
        options.add_argument(name, action="append", default=[])
    options.add_argument("address")
    said = options.parse_args(words)
    method = (said.X or ["POST" if said.d or said.data_binary else "GET"])[0]
    body = said.d[0].encode() if said.d else b""
    if said.data_binary or said.T:
        rows = "".join(json.dumps(row) + "\n" for row in build_rows(2)).encode()
        body = gzip.compress(rows) if ".gz" in words[-2] else rows
    assert "$AUTH" in said.H
    return method, said.address.removeprefix("$URL"), body, "application/json" if said.d else "text/plain"


@pytest.mark.django_db(transaction=True)
def test_every_command_of_the_docs_works_in_their_order(admin):
    headers = {"Authorization": f"Bearer {create_token(admin, 'x', reads=True, writes=True, feeds=True)[1]}"}
    done = set()
    for method, address, body, kind in map(parse_curl, iter_commands()):
        if "/imports/" in address:
            address = re.sub(r"\d+/$", f"{Import.objects.first().pk}/", address)
        address = re.sub(r"tasks/\d+/", f"tasks/{Job.objects.last().pk if Job.objects.exists() else 0}/", address)
        answer = Client().generic(method, address, body, kind, headers=headers)
        assert answer.status_code in (200, 201, 202), (method, address, answer.content)
        done.add((method, answer.wsgi_request.resolver_match.route))
    assert len(done) == len(OPERATIONS)


MODELS = [Agreement, RowsStored, TaskOut, RowsRefused]


@pytest.mark.parametrize(("text", "model"), list(zip(ANSWERS, MODELS, strict=True)))
def test_the_answers_in_the_docs_are_such_answers(text, model):
    assert set(json.loads(text)) == set(model.model_fields)
    assert model.model_validate_json(text)


def test_the_docs_name_every_filter_and_status():
    statuses = {status for operation in OPERATIONS.values() for status in operation["responses"] if status > 299}
    assert statuses | {405} == set(map(int, re.findall(r"^\| (\d{3}) \|", DOCS, re.MULTILINE)))
    export = DOCS[DOCS.index("## Exports") : DOCS.index("## Releases")]
    for one in OPERATIONS["GET /api/v1/datasets/{slug}/export/{name}/"]["parameters"]:
        assert one["in"] == "path" or f"`{one['name']}`" in export


CHECKS = (
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.unsupported_method,
)  # no check on acceptance: a name may be taken, and invalid data may be lost in transit


@cache
def load_document():
    """The document as schemathesis reads it, which takes a while."""
    return schemathesis.openapi.from_wsgi(DOCUMENT, application)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("name", OPERATIONS)
def test_what_is_sent_by_the_document_is_answered_by_it(admin, make_dataset, name, mode):
    dataset, (method, path) = make_dataset(build_rows(2)), name.split()
    make_bundle(dataset, Settings(dialects=("dpo",)))
    task = Job.objects.create(kind="bundle", dataset=dataset)
    number = dataset.imports.get().pk if "imports" in path else task.pk if "tasks" in path else 1
    there = {"slug": "demo", "name": "dpo", "number": number}
    headers = {"Authorization": f"Bearer {create_token(admin, 'x', reads=True, writes=True, feeds=True)[1]}"}
    operation = load_document()[path][method]

    @settings(max_examples=12, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode), at_home=booleans())
    def try_case(case, at_home):
        if at_home and mode.is_positive:
            case.path_parameters.update((key, there[key]) for key in case.path_parameters)
        case.call_and_validate(headers=headers, checks=CHECKS)

    try_case()
