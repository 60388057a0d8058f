"""The upload form: a dataset of the list or a new one, whose short name comes from its title."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from datasets.imports.forms import choose_slug
from datasets.models import RESERVED_SLUGS, Dataset, Import
from tests.conftest import build_rows
from tests.test_annotate import parse_page

pytestmark = pytest.mark.django_db
ADDRESS = "/datasets/upload/"


@pytest.fixture
def send(client, admin):
    """send(**fields): the answer to the form with one file, as the page sends it."""
    client.force_login(admin)

    def send(**fields):
        body = "".join(json.dumps(row) + "\n" for row in build_rows(2)).encode()
        return client.post(ADDRESS, {**fields, "files": SimpleUploadedFile("rows.jsonl", body), "complete": "1"})

    return send


def read_error(response, name):
    """The error at a field."""
    assert response.status_code == 422
    fields = parse_page(response).find_all("div", **{"class": "field wrong"})
    (field,) = (field for field in fields if any(field.find_all(name=name)))
    return field.find("ul", **{"class": "errorlist"}).text


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Alpaca Eval", "alpaca-eval"),
        ("  Café №2: d'été!  ", "cafe-no2-dete"),
        ("旅行助手", "dataset"),
        ("旅行 v2", "v2"),
        ("___", "dataset"),
        ("x" * 200, "x" * 60),
        ("Upload", "upload-2"),
        ("new", "new-2"),
        ("Taken", "taken-3"),
        ("", "dataset"),
    ],
)
def test_a_short_name_is_made_from_the_title(title, slug):
    Dataset.objects.create(slug="taken")
    Dataset.objects.create(slug="taken-2")
    assert choose_slug(title) == slug
    assert choose_slug(title) not in RESERVED_SLUGS


def test_the_second_chinese_title_gets_a_number():
    for slug in ("dataset", "dataset-2", "dataset-3"):
        assert choose_slug("旅行助手") == slug
        Dataset.objects.create(slug=slug)


def test_a_title_alone_makes_a_dataset(send, client):
    answer = send(dataset="", title="旅行助手", slug="")
    run = Import.objects.get()
    assert (run.slug, run.dataset_settings) == ("dataset", {"name": "旅行助手", "state": "draft"})
    client.post(answer["Location"], {"decision": "store"})
    dataset = Dataset.objects.get()
    assert (dataset.slug, str(dataset), dataset.state, dataset.overlap) == ("dataset", "旅行助手", "draft", 1)


def test_without_a_title_the_file_names_the_dataset(send):
    send(dataset="", title="", slug="")
    run = Import.objects.get()
    assert (run.slug, run.dataset_settings["name"]) == ("rows", "rows")


def test_title_and_short_name_may_both_be_given(send):
    send(dataset="", title="Trips 2026", slug="Trips_26")
    run = Import.objects.get()
    assert (run.slug, run.dataset_settings["name"]) == ("Trips_26", "Trips 2026")


def test_a_dataset_of_the_list_is_taken_whatever_the_hidden_fields_say(send, make_dataset):
    make_dataset(build_rows(1), slug="trips", name="Trips")
    assert send(dataset="trips", title="Other\0", slug="a b").status_code == 302
    assert Import.objects.latest("pk").slug == "trips"


@pytest.mark.parametrize(
    ("fields", "name", "said"),
    [
        ({"title": "A", "slug": "Alpaca Eval"}, "slug", "Use letters, digits, - and _ only."),
        ({"title": "A", "slug": "upload"}, "slug", "is reserved"),
        ({"title": "A", "slug": "trips"}, "slug", "This dataset exists"),
        ({"title": "", "slug": "trips"}, "slug", "This dataset exists"),
        ({"title": "A", "slug": "old"}, "slug", "This dataset exists"),
        ({"title": "A\nB", "slug": ""}, "title", "one line"),
        ({"title": "A" * 201, "slug": ""}, "title", "200"),
        ({"dataset": "nosuch"}, "dataset", "Select a valid choice"),
        ({"dataset": "old"}, "dataset", "Select a valid choice"),
    ],
)  # fmt: skip
def test_an_error_stands_at_its_field(send, fields, name, said):
    Dataset.objects.create(slug="trips")
    Dataset.objects.create(slug="old", state="archived")
    assert said in read_error(send(**{"dataset": "", **fields}), name)
    assert not Import.objects.exists()


def test_the_list_has_the_current_datasets_by_name(client, admin):
    client.force_login(admin)
    for slug, name, state in (
        ("b", "", "draft"),
        ("z", "alpha", "open"),
        ("c", "Zeta", "closed"),
        ("d", "", "archived"),
    ):
        Dataset.objects.create(slug=slug, name=name, state=state)
    page = parse_page(client.get(f"{ADDRESS}?dataset=c"))
    options = list(page.find("select", name="dataset").find_all("option"))
    assert [(option["value"], option.text) for option in options] == [
        ("", "New dataset"),
        ("z", "alpha (z)"),
        ("b", "b"),
        ("c", "Zeta (c)"),
    ]
    assert [option["value"] for option in options if "selected" in option.attributes] == ["c"]
    assert client.get(f"{ADDRESS}?dataset=%00").status_code == 200


# --- scripts ----------------------------------------------------------------------------------------------------------


def send_script(client, admin, **fields):
    client.force_login(admin)
    body = json.dumps(build_rows(1)[0]).encode()
    return client.post(ADDRESS, {**fields, "files": SimpleUploadedFile("rows.jsonl", body)})


def test_a_script_names_a_new_dataset_or_an_existing_one_alike(client, admin, make_dataset):
    make_dataset(build_rows(1), slug="there", overlap=2)
    for slug in ("fresh", "there"):
        assert send_script(client, admin, slug=slug, overlap=3).status_code == 302
    runs = Import.objects.order_by("-pk")[:2]
    assert [(run.slug, run.dataset_settings["overlap"]) for run in runs] == [("there", 3), ("fresh", 3)]
    client.post(f"{ADDRESS}{runs[1].pk}/", {"decision": "store"})
    assert Dataset.objects.get(slug="fresh").overlap == 3


@pytest.mark.parametrize(
    "fields", [{"slug": "fresh"}, {"slug": "fresh", "overlap": 0}, {"slug": "fresh", "overlap": "x"}, {"overlap": 1}]
)
def test_a_script_without_an_end_or_a_name_is_refused(client, admin, fields):
    assert send_script(client, admin, **fields).status_code == 422
    assert not Import.objects.exists()


def test_a_form_cut_off_before_its_last_field_is_refused(client, admin):
    answer = send_script(client, admin, dataset="", title="Trips", slug="")
    assert answer.status_code == 422
    assert "The upload was cut off" in answer.content.decode()
    assert not Import.objects.exists()


def test_the_last_field_of_the_page_is_the_one_that_tells(client, admin):
    client.force_login(admin)
    form = parse_page(client.get(ADDRESS)).find("form", id="upload")
    assert [field["name"] for field in form.find_all(name=True)][-2:] == ["files", "complete"]
