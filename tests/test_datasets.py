"""The pages of datasets: settings, states, the guideline, preview before storing, deleting."""

import gzip
import json
import re
import socket

import pytest
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from annotate import people
from annotate.judging.record import record
from annotate.queue.lease import lease_next
from datasets.forms import AnnotatorsForm, PeopleField
from datasets.imports import tasks
from datasets.models import Change, Comparison, Dataset, Import, Judgment, Prompt, Response
from tests.conftest import build_rows, create_person


@pytest.fixture
def owner(client, admin):
    client.force_login(admin)
    return client


def build_settings_form(dataset, **changes):
    """The fields that the settings form posts."""
    fields = ("name", "state", "guideline", "pairs", "overlap", "lease_minutes")
    data = {field: getattr(dataset, field) for field in fields}
    return {**data, "pairs_limit": dataset.pairs_limit or "", **changes}


PAGE_OF = {"guideline": "guidelines", "annotators": "annotators", "name": "dataset-settings", "state": "dataset-state"}


def save_settings(owner, dataset, **changes):
    """Posts each change from the page that has the setting."""
    for name, value in changes.items():
        form = build_settings_form(dataset, **{name: value})
        answer = owner.post(reverse(PAGE_OF.get(name, "queue"), args=[dataset.slug]), form)
        assert answer.status_code == 302, answer.content.decode()
        dataset.refresh_from_db()
    return dataset


@pytest.mark.parametrize("state", ["paused", "closed", "archived"])
def test_only_an_open_dataset_hands_out(owner, pairs, alice, state):
    held = lease_next(alice, pairs)
    save_settings(owner, pairs, state=state)
    assert lease_next(alice, pairs) is None
    assert record(held, 0, "left"), "what was in hand is kept"
    save_settings(owner, pairs, state="open")
    assert lease_next(alice, pairs)


@pytest.mark.parametrize(("minutes", "status"), [(1, 302), (10_080, 302), (0, 422), (10_081, 422), (10**12, 422)])
def test_a_lease_lasts_a_week_at_most(owner, pairs, minutes, status):
    answer = owner.post(reverse("queue", args=["demo"]), build_settings_form(pairs, lease_minutes=minutes))
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("name", "status"),
    [("支持：客服 «réponses» 😀 (2026)", 302), ("a\nb", 422), ("a\x1bb", 422), ("a\u2028b", 422), ("a\u202eb", 422)],
)
def test_a_name_is_plain_text_on_one_line(owner, pairs, name, status):
    url = reverse("dataset-settings", args=["demo"])
    assert owner.post(url, build_settings_form(pairs, name=name)).status_code == status
    assert Dataset.objects.get().name == (name if status == 302 else "")


def test_a_name_that_an_older_version_took_is_in_nobodys_way(owner, pairs):
    Dataset.objects.update(name="a\nb")
    dataset = Dataset.objects.get()
    for page in ("dataset-settings", "queue"):
        assert owner.post(reverse(page, args=["demo"]), build_settings_form(dataset, overlap=2)).status_code == 302
    assert (Dataset.objects.get().overlap, Dataset.objects.get().name) == (2, "a\nb")


def test_an_archived_dataset_is_out_of_sight_but_not_gone(owner, pairs):
    save_settings(owner, pairs, state="archived")
    assert b'"/datasets/demo/"' not in owner.get(reverse("datasets")).content
    assert b"/annotate/demo/" not in owner.get(reverse("home")).content
    assert b"/datasets/demo/" in owner.get(reverse("datasets") + "?archived").content


def test_overlap_goes_up_and_down_while_people_judge(owner, pairs, alice, bob):
    for user in (alice, bob):
        record(lease_next(user, pairs), 0, "left")
    held = lease_next(alice, pairs)
    save_settings(owner, pairs, overlap=3)
    assert set(Comparison.objects.values_list("wanted", flat=True)) == {3}
    assert sorted(Comparison.objects.values_list("open_slots", flat=True)) == [2] * 3 + [3] * 9
    save_settings(owner, pairs, overlap=1)
    assert sorted(Comparison.objects.values_list("open_slots", flat=True)) == [0] * 3 + [1] * 9
    assert record(held, 0, "tie")


def test_fewer_pairs_leave_what_was_judged(owner, make_dataset, alice):
    dataset = make_dataset(build_rows(2, answers=4))
    judged = lease_next(alice, dataset)
    record(judged, 0, "left")
    save_settings(owner, dataset, pairs_limit=2)
    assert Comparison.objects.count() == 4
    assert Comparison.objects.filter(pk=judged.comparison_id).exists()
    save_settings(owner, dataset, pairs_limit="")
    assert Comparison.objects.count() == 12


def read_ticks(response):
    """{name of a member on the page: whether they are ticked}."""
    entries = re.findall(r'<input type="checkbox" name="annotators"([^>]*)>\s*(\S+) <span', response.content.decode())
    return {name: "checked" in attributes for attributes, name in entries}


def test_who_may_judge_is_ticked_in_a_list(owner, pairs, alice, bob, charlie):
    save_settings(owner, pairs, annotators=[alice.pk, bob.pk])
    assert set(pairs.annotators.all()) == {alice, bob}
    url = reverse("annotators", args=["demo"])
    assert read_ticks(owner.get(url)) == {"admin": False, "alice": True, "bob": True, "charlie": False}
    wrong = owner.post(url, build_settings_form(pairs, annotators=[alice.pk, 987654]))
    assert "Unknown username: 987654" in wrong.content.decode()
    assert read_ticks(wrong)["alice"]
    assert set(pairs.annotators.all()) == {alice, bob}
    save_settings(owner, pairs, annotators=[])
    assert not pairs.annotators.exists()


def test_the_deactivated_are_listed_only_where_they_are_ticked(owner, pairs, alice, bob):
    pairs.annotators.set([alice])
    people.deactivate(alice)
    people.deactivate(bob)
    url = reverse("annotators", args=["demo"])
    page = owner.get(url)
    assert read_ticks(page) == {"admin": False, "alice": True}
    assert "annotator · deactivated" in page.content.decode()
    save_settings(owner, pairs, annotators=[alice.pk])
    assert list(pairs.annotators.all()) == [alice]


@pytest.mark.parametrize(
    ("posted", "names"),
    [
        ([], []),
        ("", []),
        ("alice, bob", ["alice", "bob"]),
        ("bob\r\nalice\n", ["alice", "bob"]),
        (["bob", "alice"], ["alice", "bob"]),
        ("7", ["7"]),
        ("nobody", None),
        ("a\0", None),
        (["a\0"], None),
        (["9" * 30], None),
        ("9" * 5000, None),
        (["-1"], None),
        (["٣"], None),  # a digit, but no number of ours
    ],
)
def test_people_are_told_by_name_or_by_id(alice, bob, posted, names):
    """The command and the API send names in one text, a page a list of ids."""
    create_person("7")
    if names is None:
        with pytest.raises(ValidationError, match="Unknown username"):
            PeopleField(required=False).clean(posted)
    else:
        assert [person.username for person in PeopleField(required=False).clean(posted)] == names


def test_an_id_in_a_list_is_no_name(alice):
    other = create_person(str(alice.pk))
    field = PeopleField(required=False)
    assert (field.clean([str(alice.pk)]), field.clean(str(alice.pk))) == ([alice], [other])


def test_the_annotators_are_saved_and_logged_by_a_form_of_their_own(pairs, admin, alice, bob):
    pairs.annotators.set([alice])
    Dataset.objects.update(overlap=3)
    form = AnnotatorsForm({"annotators": [str(bob.pk)]}, instance=pairs)
    assert form.is_valid()
    form.save(by=admin)
    assert list(pairs.annotators.all()) == [bob]
    assert Dataset.objects.get().overlap == 3
    changes = Change.objects.filter(kind="member").order_by("pk").values_list("by_name", "what", "before", "after")
    assert list(changes) == [("admin", "alice", "named", None), ("admin", "bob", None, "named")]


def test_settings_and_question_lead_to_each_other(owner, pairs):
    settings, question = reverse("dataset-settings", args=["demo"]), reverse("question", args=["demo"])
    assert f'href="{question}"' in owner.get(settings).content.decode()
    assert f'href="{settings}"' in owner.get(question).content.decode()


def test_the_guideline_is_markdown_beside_the_task_and_on_a_page(owner, client, pairs):
    save_settings(owner, pairs, guideline="**Short** <script>x</script>")
    for name in ("annotate", "guideline"):
        html = owner.get(reverse(name, args=["demo"])).content.decode()
        assert "<strong>Short</strong> &lt;script&gt;" in html


def test_a_dataset_is_deleted_once_its_name_is_typed(owner, pairs, alice, make_dataset):
    make_dataset(build_rows(2), slug="other")
    record(lease_next(alice, pairs), 0, "left")
    url = reverse("dataset-delete", args=["demo"])
    offered = owner.get(url).content.decode()
    assert reverse("export", args=["demo", "dpo"]) in offered
    assert owner.post(url, {"name": "Demo"}).status_code == 422
    assert Dataset.objects.filter(slug="demo").exists()
    assert owner.post(url, {"name": "demo"}).status_code == 302
    assert list(Dataset.objects.values_list("slug", flat=True)) == ["other"]
    assert (Prompt.objects.count(), Comparison.objects.count(), Judgment.objects.count()) == (2, 2, 0)


def count_queries(owner, path):
    """The number of queries of a page, which must not be an error."""
    with CaptureQueriesContext(connection) as taken:
        assert owner.get(path).status_code == 200, path
    return len(taken)


@pytest.mark.once  # the number of queries does not depend on the database
def test_a_list_takes_as_many_queries_however_long_it_is(owner, make_dataset):
    paths = ["/", "/datasets/", "/datasets/demo/", "/datasets/demo/data/imports/", "/datasets/demo/export/"]
    dataset = make_dataset(build_rows(60))
    for number in range(25):
        Dataset.objects.create(slug=f"a{number:03}")
    few = count_queries_again(owner, paths)
    make_dataset(build_rows(250, answers=3))
    Import.objects.bulk_create(Import(dataset=dataset, slug="demo", state="done", files=["x"]) for _ in range(300))
    Dataset.objects.bulk_create(Dataset(slug=f"b{number:04}") for number in range(1000))
    assert count_queries_again(owner, paths) == few


def count_queries_again(owner, paths):
    """{path: queries}, once each has been looked at, which computes the report."""
    for path in paths:
        owner.get(path)
    return {path: count_queries(owner, path) for path in paths}


def test_lists_go_on_by_key(owner, make_dataset):
    dataset = make_dataset(build_rows(45))
    Import.objects.bulk_create(Import(dataset=dataset, slug="demo", state="done", files=["x"]) for _ in range(60))
    pages, path = [], "/datasets/demo/data/imports/"
    while path:
        html = owner.get(path).content.decode()
        pages.append(html.count('">x</a>'))
        link = re.search(r'href="(\?before=\d+)"', html)
        path = link and "/datasets/demo/data/imports/" + link[1]
    assert pages == [50, 10]
    seen, path = 0, "/datasets/demo/data/"
    while path:
        html = owner.get(path).content.decode()
        seen += html.count('class="prompt-row"')
        link = re.search(r'href="(\?after=\d+)"', html)
        path = link and "/datasets/demo/data/" + link[1]
    assert seen == 45


# --- preview ----------------------------------------------------------------------------------------------------------


def upload(owner, *files, slug="fresh"):
    """Uploads files (name, bytes) for a preview."""
    data = {"slug": slug, "overlap": 1, "files": [SimpleUploadedFile(name, content) for name, content in files]}
    return owner.post(reverse("upload"), data, follow=True)


def encode_jsonl(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


GOOD = encode_jsonl(build_rows(5))
MIXED = encode_jsonl([*build_rows(2), {"prompt": "P?", "responses": ["a", ""]}, {"prompt": "Q?", "responses": "none"}])


def test_before_storing_one_sees_what_the_files_hold(owner):
    html = upload(owner, ("a.jsonl", GOOD)).content.decode()
    assert not Dataset.objects.exists()
    assert "5 prompts and 10 answers" in html
    assert "Wide (a prompt and its answers in a row)" in html
    for number in (0, 1, 2):
        assert f"Answer 1 to {number}." in html
    assert "Answer 1 to 3." not in html


@pytest.mark.parametrize(
    ("decision", "prompts", "state"),
    [("store", 2, "done"), ("drop", 0, None), ("undo", 0, "checked"), ("", 0, "checked")],
)
def test_then_one_stores_without_the_bad_rows_or_drops_it(owner, decision, prompts, state):
    html = upload(owner, ("a.jsonl", MIXED)).content.decode()
    assert "The answer is empty." in html
    assert "A list is expected here." in html
    run = Import.objects.get()
    owner.post(reverse("import", args=[run.pk]), {"decision": decision})
    assert Prompt.objects.count() == prompts
    assert list(Import.objects.values_list("state", flat=True)) == ([state] if state else [])


def test_an_import_is_undone_on_its_page(owner):
    upload(owner, ("a.jsonl", GOOD))
    run = Import.objects.get()
    owner.post(reverse("import", args=[run.pk]), {"decision": "store"})
    answer = owner.post(reverse("import", args=[run.pk]), {"decision": "undo"}, follow=True)
    assert "The import was undone." in answer.content.decode()
    assert not Response.objects.exists()


def test_imports_are_listed_with_who_when_file_and_counts(owner, admin):
    upload(owner, ("a.jsonl", MIXED))
    owner.post(reverse("import", args=[Import.objects.get().pk]), {"decision": "store"})
    html = owner.get(reverse("imports", args=["fresh"])).content.decode()
    row = html.split("a.jsonl</a>")[1].split("</tr>")[0]
    assert "admin" in row
    assert re.findall(r'class="num"[^>]*>(\d+)<', row) == ["4", "0", "2"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.jsonl", b"", "empty.jsonl: The file is empty."),
        ("photo.jsonl", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)), "This is not a text file."),
        ("utf16.jsonl", '{"prompt": "a"}'.encode("utf-16"), "The file is UTF-16; save it as UTF-8."),
        ("cut.json", b'[{"prompt": "a", "responses": ["b", "c"]},', "cut.json, line 1: The file is cut off"),
        ("cut.jsonl.gz", gzip.compress(GOOD)[:-20], "The .gz file is damaged or cut off."),
        ("bomb.jsonl.gz", gzip.compress(b'{"prompt": "' + b"a" * (70 << 20) + b'"}'), "The .gz file expands"),
        ("prose.txt", b"It was a dark and stormy night", "The file is not JSON Lines, a JSON array, CSV or TSV."),
        ("quote.csv", b'prompt,response_1,response_2\n"a,b,c\n', "The table cannot be parsed"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_by_name_and_nothing_is_kept(owner, settings, name, content, said):
    answer = upload(owner, (name, content))
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not Import.objects.exists()
    assert not list((settings.DATA_DIR / "spool").iterdir())


ROW = {"prompt": "P?", "response_1": "a", "response_2": "b"}
BAD_ROWS = [
    (json.dumps({**ROW, "response_1": "\x00"}), "response_1", "cannot be stored"),
    ('{"prompt": "P?", "response_1": "\\ud83d", "response_2": "b"}', "response_1", "cannot be stored"),
    ('{"prompt": "P?", "response_1": "a", "resp', "", "This is not valid JSON."),
    (json.dumps({**ROW, "response_2": "x" * (20 << 20)}), "", "The row is too long."),
    (json.dumps({**ROW, "response_2": None}), "response_2", "Text is expected, but the value is null."),
    (json.dumps({**ROW, "response_2": 7}), "response_2", "Text is expected here."),
    (json.dumps({**ROW, "prompt": ["x"]}), "prompt[0]", "A message with role"),
    (json.dumps({**ROW, "response_2": " \n"}), "response_2", "The answer is empty."),
    (json.dumps({**ROW, "response_2": "a", "winner": 1}), "winner", "there is nothing to choose"),
    (json.dumps({**ROW, "prompt": [{"role": "assistant", "content": "x"}]}), "prompt", "no user turn"),
    ('{"prompt": ' + "[" * 5000 + "]" * 5000 + "}", "", "nested too deeply"),
]


@pytest.mark.parametrize(("line", "field", "said"), BAD_ROWS, ids=[said for _, _, said in BAD_ROWS])
def test_a_bad_row_is_told_with_line_field_and_reason(owner, line, field, said, monkeypatch):
    monkeypatch.setattr(tasks, "BYTES_AT_ONCE", 1 << 30)
    html = upload(owner, ("bad.jsonl", encode_jsonl([ROW]) + line.encode())).content.decode()
    row = html.split("<td>bad.jsonl</td>")[1].split("</tr>")[0]
    assert 'data-label="Line">2</td>' in row
    assert f"<code>{field or '–'}</code>" in row
    assert said in row


def test_a_csv_with_a_ragged_row_and_a_second_header(owner):
    table = b"prompt,response_1,response_2\nP?,a,b\nQ?,a\nprompt,response_1,response_2\n"
    html = upload(owner, ("t.csv", table)).content.decode()
    assert "The number of cells differs from the header" in html
    assert "Repeated header." in html


@pytest.mark.django_db(transaction=True)
def test_an_upload_that_stops_half_way_leaves_nothing(live_server, client, admin):
    client.force_login(admin)
    token = "a" * 32
    body = b'--x\r\nContent-Disposition: form-data; name="slug"\r\n\r\nfresh\r\n'
    body += b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.jsonl"\r\n\r\n' + GOOD
    head = (
        f"POST {reverse('upload')} HTTP/1.1\r\nHost: {live_server.thread.host}\r\nX-CSRFToken: {token}\r\n"
        f"Cookie: sessionid={client.cookies['sessionid'].value}; csrftoken={token}\r\n"
        f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {len(body) * 2}\r\n\r\n"
    )
    with socket.create_connection((live_server.thread.host, live_server.thread.port)) as line:
        line.sendall(head.encode() + body)
        line.shutdown(socket.SHUT_WR)
        answer = line.recv(1 << 16)
    assert answer.split()[1] == b"422"
    assert not Import.objects.exists()
    assert client.get(reverse("datasets")).status_code == 200


def test_an_address_with_a_null_in_it_is_told(client, admin):
    client.force_login(admin)
    assert client.get("/datasets/?after=%00").status_code == 400
    assert client.head("/datasets/").status_code == 200
