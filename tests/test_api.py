"""The API for scripts: datasets, exports and bundles."""

import hashlib
import io
import json
import re
import zipfile

import pytest
from django.test import Client
from django.utils import timezone

from analyze.latest_report import SCRIPTS_WAIT
from analyze.models import Report
from annotate.judging.record import record
from annotate.queue.lease import lease_next
from api.endpoints import build_document
from api.models import Token
from api.tokens import create_token
from datasets.jobs import worker
from datasets.models import Dataset, Job, Snapshot
from tests.conftest import build_rows

ROOT = "/api/v1/datasets/"


class Script:
    """A script with a token."""

    def __init__(self, admin, **scopes):
        self.headers = {"Authorization": f"Bearer {create_token(admin, 'test', **scopes)[1]}"}

    def get(self, path="", **query):
        return check_documented(Client().get(ROOT + path, query, headers=self.headers))

    def post(self, path="", body=b"", content_type="application/json"):
        return check_documented(Client().post(ROOT + path, body, content_type, headers=self.headers))


def check_documented(answer):
    """The response, whose status the OpenAPI document must list for its URL."""
    request = answer.wsgi_request
    path = "/" + re.sub(r"<\w+:(\w+)>", r"{\1}", request.resolver_match.route)
    if path in build_document()["paths"]:
        assert answer.status_code in build_document()["paths"][path][request.method.lower()]["responses"]
    return answer


@pytest.fixture
def script(admin):
    return Script(admin, reads=True, writes=True)


@pytest.fixture
def judged(make_dataset, alice):
    """Six comparisons; alice has chosen the left answer of four, whose sources depend on the drawn sides."""
    dataset = make_dataset(build_rows(6))
    for _ in range(4):
        record(lease_next(alice, dataset), 0, "left")
    return dataset


def read_reasons(answer):
    return {(error["field"], error["reason"]) for error in answer.json()["errors"]}


def test_a_dataset_is_made_with_its_settings(script, alice):
    body = {
        "slug": "support",
        "name": "Support",
        "overlap": 3,
        "guideline": "# Be kind",
        "pairs": "first",
        "pairs_limit": None,
        "question": "rank",
        "most_shown": 4,
        "allow_tie": False,
        "criteria": [{"name": "facts", "guideline": "are right"}, {"name": "tone"}],
        "chips": ["wrong", "rude"],
        "annotators": ["alice"],
    }
    answer = script.post("", body)
    assert answer.status_code == 201
    dataset = Dataset.objects.get()
    assert (dataset.slug, dataset.name, dataset.overlap, dataset.guideline) == ("support", "Support", 3, "# Be kind")
    assert (dataset.pairs, dataset.question, dataset.most_shown, dataset.allow_tie) == ("first", "rank", 4, False)
    assert dataset.criteria == [{"name": "facts", "guideline": "are right"}, {"name": "tone", "guideline": ""}]
    assert dataset.chips == ["wrong", "rude"]
    assert list(dataset.annotators.all()) == [alice]
    settings = answer.json()["settings"]
    assert {name: settings[name] for name in ("overlap", "question", "chips", "annotators")} == {
        "overlap": 3,
        "question": "rank",
        "chips": ["wrong", "rude"],
        "annotators": ["alice"],
    }


def test_what_is_not_named_stands_as_for_any_new_dataset(script):
    script.post("", {"slug": "plain"})
    made, plain = Dataset.objects.get(slug="plain"), Dataset()
    for field in ("overlap", "pairs", "question", "most_shown", "fewest_shown", "lease_minutes", "state", "allow_tie"):
        assert getattr(made, field) == getattr(plain, field)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"slug": "a b"}, "body.slug"),
        ({"slug": "upload"}, "slug"),
        ({"slug": ""}, "body.slug"),
        ({"slug": "x" * 81}, "body.slug"),
        ({"slug": None}, "body.slug"),
        ({"overlap": 0}, "overlap"),
        ({"overlap": 101}, "overlap"),
        ({"overlap": "3"}, "body.overlap"),
        ({"overlap": 10**30}, "overlap"),
        ({"name": "x" * 201}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "\ud800"}, "body.name"),
        ({"guideline": "\x00"}, "guideline"),
        ({"question": "none"}, "body.question"),
        ({"question": "rank", "most_shown": 1}, "most_shown"),
        ({"annotators": ["nobody"]}, "annotators"),
        ({"annotators": ["a\x00"]}, "annotators"),
        ({"criteria": [{"name": "a: b"}]}, "body.criteria.0.name"),
        ({"criteria": [{"name": "a"}, {"name": "A"}]}, "criteria"),
        ({"colour": "red"}, "body.colour"),
        ({"allow_tie": "no"}, "body.allow_tie"),
    ],
)
def test_settings_that_cannot_be_are_refused_with_their_field(script, wrong, field):
    answer = script.post("", {"slug": "demo", **wrong})
    assert answer.status_code == 422
    assert field in {name for name, _ in read_reasons(answer)}
    assert all(error["words"] for error in answer.json()["errors"])
    assert not Dataset.objects.exists()


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"\xff", b'{"slug": NaN}', b"[" * 100000, b'"' + b"x" * 99]
)
def test_a_body_that_is_no_object_is_refused(script, body):
    answer = script.post("", body)
    assert answer.status_code in (400, 422)
    assert answer.json()["detail"]


def test_a_body_without_end_is_refused(script):
    answer = script.post("", b'{"slug": "x", "guideline": "' + b"x" * (3 << 20) + b'"}')
    assert (answer.status_code, Dataset.objects.count()) == (413, 0)


def test_two_datasets_cannot_have_one_name(script, pairs):
    answer = script.post("", {"slug": "demo", "overlap": 9})
    assert answer.status_code == 409
    assert Dataset.objects.get().overlap == 1


def test_the_list_shows_how_far_each_is(script, judged, make_dataset):
    make_dataset(build_rows(1), slug="other", name="Another")
    answer = script.get().json()
    assert answer["next"] is None
    assert answer["datasets"] == [
        {"slug": "demo", "name": "", "state": "open", "progress": {"total": 6, "done": 4, "in_hand": 0, "open": 2}},
        {
            "slug": "other",
            "name": "Another",
            "state": "open",
            "progress": {"total": 1, "done": 0, "in_hand": 0, "open": 1},
        },
    ]


def test_a_long_list_comes_in_pages(script, db, monkeypatch):
    monkeypatch.setattr("api.endpoints.PAGE_SIZE", 2)
    Dataset.objects.bulk_create(Dataset(slug=f"d{n}") for n in range(5))
    seen, after = [], ""
    while after is not None:
        page = script.get(after=after).json()
        seen += [dataset["slug"] for dataset in page["datasets"]]
        after = page["next"]
    assert seen == [f"d{n}" for n in range(5)]


def test_a_dataset_shows_settings_and_progress(script, judged):
    found = script.get("demo/").json()
    assert found["progress"] == {"total": 6, "done": 4, "in_hand": 0, "open": 2}
    assert found["prompts"] == 6
    assert found["verdicts"] == {"choice": 4, "tie": 0, "both_bad": 0, "skip": 0}
    assert [(source["source"], source["responses"]) for source in found["sources"]] == [("m0", 6), ("m1", 6)]
    assert sum(source["chosen"] for source in found["sources"]) == 4
    agreement = found["agreement"]
    assert (agreement["percent"], agreement["percent_interval"], agreement["judged_twice"]) == (None, None, 0)
    assert agreement["percent_reason"] == agreement["alpha_reason"] != ""
    assert found["settings"]["overlap"] == 1


@pytest.mark.parametrize(
    "path",
    [
        *["none/", "none/bundles/", "none/export/dpo/", "none/imports/1/", "demo/export/none/", "demo/export/bundle/"],
        *["demo/imports/987654/", "demo/imports/1000000000000000000000/", "demo/bundles/9/", "demo/bundles/9/archive/"],
        *["demo", "demo/x/", "a%20b/", "%00/", "%0A", "é/"],
    ],
)
def test_what_is_not_there_is_404_in_json(script, judged, path):
    answer = script.get(path)
    assert answer.status_code in ((404, 422) if "0000" in path else (404,))
    assert answer.json()["detail"]


def test_an_import_of_another_dataset_is_not_there(script, judged, make_dataset):
    other = make_dataset(build_rows(1), slug="other")
    assert script.get(f"demo/imports/{other.imports.get().pk}/").status_code == 404
    assert script.get(f"other/imports/{other.imports.get().pk}/").json()["rows"] == 1


def test_an_export_is_the_file_of_the_page(script, judged, client, admin):
    client.force_login(admin)
    for name in ("dpo", "alpaca", "judgments-csv"):
        answer, page = script.get(f"demo/export/{name}/"), client.get(f"/datasets/demo/export/{name}/")
        assert answer.streaming
        assert answer.getvalue() == page.getvalue() != b""
        for header in ("Content-Type", "Content-Disposition"):
            assert answer[header] == page[header]


def test_filters_choose_as_on_the_page(script, judged):
    assert len(script.get("demo/export/dpo/", annotator="alice").getvalue().splitlines()) == 4
    for filters in ({"annotator": "bob"}, {"since": "2999-01-01"}, {"until": "2001-01-01"}, {"min-votes": 2}):
        assert script.get("demo/export/dpo/", **filters).getvalue() == b""


@pytest.mark.parametrize("path", ["", "demo/", "demo/export/dpo/", "demo/bundles/"])
def test_a_misspelt_parameter_is_refused_rather_than_overlooked(script, judged, path):
    answer = script.get(path, min_agreement=1, colour="red")
    assert (answer.status_code, read_reasons(answer)) == (422, {("min_agreement", "unknown"), ("colour", "unknown")})


@pytest.mark.parametrize(
    "wrong", [{"mode": "none"}, {"since": "x"}, {"min-agreement": 2}, {"min-strength": "x"}, {"criterion": "tone"}]
)
def test_a_filter_that_is_none_is_refused_by_its_name(script, judged, wrong):
    answer = script.get("demo/export/dpo/", **wrong)
    assert answer.status_code == 422
    assert {field for field, _ in read_reasons(answer)} == set(wrong)


def test_a_loader_that_asks_twice_never_takes_the_old_file_for_the_new(script, judged):
    path = f"{ROOT}demo/export/dpo/"
    first, second = (Client().head(path, headers=script.headers) for _ in range(2))
    assert first.status_code == 200
    assert first["ETag"] != second["ETag"]
    assert "Content-Length" not in first
    assert first["Content-Type"] == script.get("demo/export/dpo/")["Content-Type"]
    assert Client().head(path).status_code == 401
    assert Client().head(f"{ROOT}demo/export/none/", headers=script.headers).status_code == 404
    assert Client().head(f"{ROOT}none/export/dpo/", headers=script.headers).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_a_bundle_is_made_kept_and_fetched(script, judged):
    made = script.post("demo/bundles/?dialects=dpo&dialects=kto&split=100,0,0&mode=every")
    assert made.status_code == 201
    about = made.json()
    assert (about["number"], about["made_by"]) == (1, "admin")
    assert about["manifest"]["settings"]["dialects"] == ["dpo", "kto"]
    assert about["manifest"]["settings"]["mode"] == "every"
    archive = script.get("demo/bundles/1/archive/").getvalue()
    assert (hashlib.sha256(archive).hexdigest(), len(archive)) == (about["sha256"], about["size"])
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert len(opened.read("dpo.jsonl").splitlines()) == 4
    assert script.get("demo/bundles/1/").json() == about
    listed = script.get("demo/bundles/").json()["bundles"]
    assert listed == [{name: about[name] for name in ("number", "made_at", "made_by", "size", "sha256")}]


@pytest.mark.parametrize("query", ["dialects=none", "split=1,2,3", "mode=none", "since=x"])
def test_a_bundle_that_cannot_be_is_refused(script, judged, query):
    answer = script.post(f"demo/bundles/?{query}")
    assert (answer.status_code, Snapshot.objects.count()) == (422, 0)
    assert {field for field, _ in read_reasons(answer)} == {query.partition("=")[0]}


def test_words_come_in_the_language_that_is_asked_for(script):
    headers = script.headers | {"Accept-Language": "zh-hans"}
    assert Client().get(ROOT + "none/", headers=headers)["Content-Language"] == "zh-hans"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *[("get", ""), ("post", ""), ("get", "demo/"), ("post", "demo/rows/"), ("get", "demo/imports/1/")],
        *[
            ("get", "demo/export/dpo/"),
            ("head", "demo/export/dpo/"),
            ("get", "demo/bundles/"),
            ("post", "demo/bundles/"),
        ],
        *[("get", "demo/bundles/1/"), ("get", "demo/bundles/1/archive/"), ("get", "none/"), ("post", "none/rows/")],
    ],
)
def test_a_stranger_gets_401_in_json_everywhere(judged, client, admin, method, path):
    client.force_login(admin)
    answer = getattr(client, method)(ROOT + path, content_type="application/json")
    assert (answer.status_code, Token.objects.count()) == (401, 0)
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert method == "head" or set(json.loads(answer.content)) == {"detail", "errors"}


def test_agreement_is_recomputed_for_scripts_at_most_every_ten_minutes(script, judged, alice):
    assert script.get("demo/").json()["agreement"]["newer"] == 0
    record(lease_next(alice, judged), 0, "left")
    assert script.get("demo/").json()["agreement"]["newer"] == 1
    Report.objects.update(made_at=timezone.now() - SCRIPTS_WAIT)
    assert script.get("demo/").json()["agreement"]["newer"] == 0
    assert Job.objects.count() == 2


def test_agreement_that_takes_long_comes_from_the_worker(script, judged, monkeypatch):
    monkeypatch.setattr("analyze.report.JUDGMENTS_AT_ONCE", 0)
    assert [script.get("demo/").json()["agreement"] for _ in range(2)] == [None, None]
    worker.perform(worker.claim(), worker.Progress(Job.objects.get()))
    assert script.get("demo/").json()["agreement"]["judged_twice"] == 0


def test_an_address_that_knows_other_methods_says_so_in_json(script):
    answer = Client().delete(ROOT, headers=script.headers)
    assert (answer.status_code, answer["Content-Type"]) == (405, "application/json")
    assert set(answer["Allow"].split(", ")) == {"GET", "POST"}
    assert answer.json()["detail"] == "This URL does not support this method."


def test_what_nobody_thought_of_is_told_in_json_and_in_the_log(script, monkeypatch, caplog):
    monkeypatch.setattr("datasets.judgments.progress.count_progress", None)
    Dataset.objects.create(slug="demo")
    answer = Client().get(ROOT, headers=script.headers)
    assert (answer.status_code, answer["Content-Type"]) == (500, "application/json")
    assert "log" in answer.json()["detail"]
    assert "not callable" in caplog.text


def test_a_name_that_cannot_be_kept_is_in_no_bundle(script, judged):
    assert script.post("demo/bundles/?annotator=%00").status_code == 422
    assert not Snapshot.objects.exists()
