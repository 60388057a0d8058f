"""Personal data and keys: found by format, counted, shown, left out or masked; and prompts on a list of known ones."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from datasets.formats.rows import DEMONSTRATION, JUDGED, Prompt, Refusal, Response, Row, Vote
from datasets.imports import check as imports_check
from datasets.imports import known_prompts, tasks
from datasets.imports.personal_data import KEYS, MASKABLE, PERSONAL, has_keys, has_personal_data, mask_row, mask_text
from datasets.imports.warnings import find_warnings
from datasets.models import Choice, Comparison, Import
from datasets.models import Prompt as Kept
from datasets.models import Response as Stored
from tests.test_api import Script

PAGE = (Path(__file__).parent.parent / "docs" / "formats.md").read_text("utf-8")
SK = "sk-" + "proj-a1B2c3D4e5F6g7H8i9J0k1L2"  # in two pieces, so that no scanner of this repository reports it
JWT = "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9"
PEM = (
    "-----BEGIN RSA PRIVATE"
    + " KEY-----\nMIIEpAIBAAKCAQEA0123456789abcdef\nabcdefABCDEF\n-----END RSA PRIVATE KEY-----"
)

FOUND = {
    "Write to ann.lee+test@mail.example.com today.": "Write to [EMAIL] today.",
    "<bob@example.org>, mailto:eve@example.co.uk": "<[EMAIL]>, mailto:[EMAIL]",
    "请发邮件到zhang.san@example.cn，谢谢。": "请发邮件到[EMAIL]，谢谢。",
    "Call +49 30 1234567 or +1 (555) 010-9999.": "Call [PHONE] or [PHONE].",
    "Ring me on +441632960961, please": "Ring me on [PHONE], please",
    "我的手机号是13800138000，请打给我。": "我的手机号是[PHONE]，请打给我。",
    "电话：138 0013 8000 或 139-0013-9000": "电话：[PHONE] 或 [PHONE]",
    "电话+8613800138000，或 +86 138 0013 8000，或 0086-13800138000": "电话[PHONE]，或 [PHONE]，或 [PHONE]",
    "身份证号：11010519491231002X。": "身份证号：[ID]。",
    "身份证 440524188001010014 号": "身份证 [ID] 号",
    "IBAN DE89 3704 0044 0532 0130 00 BIC COBADEFF": "IBAN [IBAN] BIC COBADEFF",
    "GB82WEST12345698765432, FR1420041010050500013M02606": "[IBAN], [IBAN]",
    "DE89370400440532013000 GB82 WEST 1234 5698 7654 32": "[IBAN] [IBAN]",
    "KZ86125KZT5004100100": "[IBAN]",
    "Card 4111 1111 1111 1111, 12 of them": "Card [CARD], 12 of them",
    "信用卡5500-0055-5555-5559到期": "信用卡[CARD]到期",
    "Amex 3782 822463 10005; 378282246310005": "Amex [CARD]; [CARD]",
    "The host was 93.184.216.34:8080.": "The host was [IP]:8080.",
    "登录地址114.250.63.34": "登录地址[IP]",
}
NOT_FOUND = [
    "Where is she @ now? icon@2x.png, git@github.com:a/b.git, noreply@example.com, a@b",
    "In 1984 there were 12,500 of them, on 2024-01-02 at 10:30:00.",
    "+2024-01-02 10:30 was added; 2 +12345678 = ?",
    "1700000000, 1700000000000, 13800138000000, 0.13800138000, 12345678901",
    "一共13,800,138,000元，编号013800138000",
    "身份证号：110105194912310021，11010519491331002X",
    "DE88 3704 0044 0532 0130 00, XX89370400440532013000",
    "4111 1111 1111 1112, 1234 5678 9012 3452, 41111111111111111",
    "10.0.0.1, 192.168.1.20, 127.0.0.1, 5.1.2.3, 1.1.1.1, 999.10.10.10, http://93.184.216.34/, v93.18.21.34",
    "version 10.15.77.12, Chrome/120.0.99.12, 版本 10.15.77.12, 10.15.77.12.5",
    "3.14159265358979, 6.02214076e23, 1,234,567,890",
    "+100 000 000 people; C++11 2013; +1.5",
]  # fmt: skip
A_KEY = {
    f"OPENAI_API_KEY={SK}": "OPENAI_API_KEY=[KEY]",
    f"密钥是{SK}。": "密钥是[KEY]。",
    "sk-" + "abcdefghijklmnopqrstuvwxyz": "[KEY]",
    "ghp_" + "0123456789abcdefghijklmnopqrstuvwxyz": "[KEY]",
    "github_pat_" + "11ABCDEFG0123456789_abcdefghijk": "[KEY]",
    "AKIA" + "IOSFODNN7EXAMPLE and more": "[KEY] and more",
    "AIza" + "SyA-0123456789abcdefghijklmnopqrstu": "[KEY]",
    "token=xoxb-" + "123456789012-abcdefghijkl": "token=[KEY]",
    "hf_" + "abcdefghijklmnopqrstuvwxyzABCDEFGH": "[KEY]",
    f"Bearer {JWT}!": "Bearer [KEY]!",
    f"Here: {PEM} End.": "Here: [KEY] End.",
    "-----BEGIN PRIVATE" + " KEY-----\nMIIEpAIBAAKCAQEA0123456789abcdef\nand so on": "[KEY]\nand so on",
}
NO_KEY = [
    "a risk-averse task-" + "abcdefghijklmnopqrstuvwxyz",
    "sk-learn-is-a-library-for-python, sk-toggleable__content",
    "hf_hub_download, ghp_short, AKIAshort, in Asia and the Pacific, eyJ is how it begins",
    "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A\n-----END PUBLIC KEY-----",
    "The private key stays private. 私钥不要外传。",
]


@pytest.mark.parametrize(("text", "masked"), FOUND.items())
def test_personal_data_is_found_and_masked(text, masked):
    assert has_personal_data(text)
    assert find_warnings(build_row("Hi", text)) == {PERSONAL: [0]}
    assert mask_text(text, {PERSONAL}) == masked
    assert mask_text(masked, MASKABLE) == masked
    assert mask_text(text, {KEYS}) == text


@pytest.mark.parametrize("text", NOT_FOUND)
def test_other_numbers_and_signs_are_no_personal_data(text):
    assert mask_text(text, {PERSONAL}) == text
    assert find_warnings(build_row(text, text)) == {}


@pytest.mark.parametrize(("text", "masked"), A_KEY.items())
def test_keys_are_found_and_masked(text, masked):
    assert has_keys(text)
    assert find_warnings(build_row(text, "Hi"))[KEYS] == [-1]
    assert mask_text(text, {KEYS}) == masked


@pytest.mark.parametrize("text", NO_KEY)
def test_what_looks_a_little_like_a_key_is_none(text):
    assert mask_text(text, {KEYS}) == text
    assert find_warnings(build_row(text, text)) == {}


def build_row(prompt, answer):
    return Row(Prompt(prompt), (Response(answer),), DEMONSTRATION)


def test_all_texts_of_a_row_are_masked_and_nothing_else():
    mail = "ann@example.com"
    prompt = Prompt(f"to {mail}", f"from {mail}", f"of {mail}", (("user", mail), ("assistant", f"Not {mail}")))
    row = Row(prompt, (Response(f"A {mail}", mail), Response("B")), JUDGED, (Vote((0, 1), "left", mail),), (mail,))
    masked = mask_row(row._replace(id=mail, meta={"who": mail}), MASKABLE)
    assert masked.prompt == Prompt(
        "to [EMAIL]", "from [EMAIL]", "of [EMAIL]", (("user", "[EMAIL]"), ("assistant", "Not [EMAIL]"))
    )
    assert masked.responses == (Response("A [EMAIL]", mail), Response("B"))
    assert (masked.votes, masked.tags, masked.id, masked.meta) == (row.votes, row.tags, mail, {"who": mail})
    plain = build_row("Hi", "There")
    assert mask_row(plain, MASKABLE) is plain
    assert find_warnings(row)[PERSONAL] == [-1, -2, -3, -4, -5, 0]


def test_a_vote_between_answers_that_become_equal_is_refused():
    row = Row(Prompt("Whose?"), (Response("a@example.com"), Response("b@example.com")), JUDGED, (Vote((0, 1), "left"),))
    with pytest.raises(Refusal, match="same_answer"):
        mask_row(row, MASKABLE)


# --- by command -------------------------------------------------------------------------------------------------------

MAILS = [
    {"prompt": "Whose is ann@example.com?", "chosen": "It is Ann's.", "rejected": "Ring +49 30 1234567."},
    {"prompt": "Whose is bob@example.com?", "chosen": "It is Bob's.", "rejected": "No idea."},
    {"prompt": "Which key?", "chosen": f"Use {SK}.", "rejected": "None."},
]


@pytest.fixture
def load(run_command, tmp_path):
    """load(rows, option, …): (status, summary, stderr) of the import of rows."""

    def run(rows, *options):
        path = tmp_path / "rows.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return run_command("import_dataset", "demo", str(path), *options)

    return run


def list_texts():
    prompts = set(Kept.objects.values_list("instruction", flat=True))
    return prompts | set(Stored.objects.values_list("text", flat=True))


@pytest.mark.django_db
def test_a_command_counts_and_masks_only_where_asked(load):
    status, summary, error = load(MAILS)
    assert (status, summary["warnings"]) == (0, {"keys": 1, "personal_data": 2})
    assert "personal_data: 2 (texts with personal data" in error
    assert "masked" not in error
    assert "Whose is ann@example.com?" in list_texts()


@pytest.mark.django_db
def test_a_command_masks(load):
    status, summary, error = load(MAILS, "--mask", "personal_data,keys")
    assert (status, summary["warnings"]) == (0, {"keys": 1, "personal_data": 2})
    assert (summary["prompts"], summary["responses"], summary["choices"]) == (2, 6, 3)
    assert re.search(r"personal_data: 2 \(.*\), masked", error)
    texts = list_texts()
    assert {"Whose is [EMAIL]?", "Ring [PHONE].", "Use [KEY]."} <= texts
    assert not any("@" in text or SK in text for text in texts)
    assert load(MAILS, "--mask=all")[1]["prompts"] == 0, "the same rows again are duplicates"


@pytest.mark.django_db
def test_one_kind_is_masked_and_the_other_left_out(load):
    status, summary, _ = load(MAILS, "--mask", "keys", "--leave-out", "personal_data")
    assert (status, summary["refused"], summary["warnings"]) == (0, 2, {"keys": 1, "personal_data": 2})
    assert list_texts() == {"Which key?", "Use [KEY].", "None."}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--mask=names"], "names: there are personal_data, keys, all"),
        (["--mask=keys", "--leave-out=keys,cut_off"], "keys: --leave-out and --mask exclude each other"),
        (["--mask=all", "--leave-out=all"], "keys, personal_data: --leave-out and --mask"),
        (["--leave-out=known"], "--known FILE"),
        (["--known=/nowhere"], "/nowhere: No such file"),
    ],
)
def test_wrong_usage(load, options, message):
    status, summary, error = load(MAILS, *options)
    assert (status, summary) == (2, None)
    assert message in error
    assert not Import.objects.exists()


@pytest.mark.django_db
def test_answers_that_become_equal(load, tmp_path):
    wide = {"prompt": "Whose?", "responses": ["a@example.com", "b@example.com", "Nobody's."]}
    assert load([wide], "--mask=all")[1]["responses"] == 2
    judged = {"prompt": "Which?", "chosen": "a@example.com", "rejected": "b@example.com"}
    bad = tmp_path / "bad.jsonl"
    status, summary, error = load([judged, MAILS[0]], "--mask=all", f"--refused={bad}")
    assert (status, summary["refused"], summary["prompts"]) == (1, 1, 0)
    assert "rows.jsonl:1: mask: The two answers are identical" in error
    assert json.loads(bad.read_text())["row"] == judged
    assert load([judged, MAILS[0]], "--mask=all", "--skip-bad-rows")[1]["choices"] == 1


@pytest.mark.django_db
def test_votes_that_become_votes_on_one_pair(load):
    rows = [
        {"prompt": f"Whose is {name}@example.com?", "chosen": "Hers.", "rejected": "His.", "annotator": who}
        for name, who in [("a", "eve"), ("b", "eve"), ("c", ""), ("d", "")]
    ]
    turned = {"prompt": "Whose is e@example.com?", "chosen": "His.", "rejected": "Hers.", "annotator": "eve"}
    _, summary, error = load([*rows, turned], "--mask=all", "--skip-bad-rows")
    assert (summary["prompts"], summary["choices"], summary["duplicates"], summary["refused"]) == (1, 3, 1, 1)
    assert "rows.jsonl:5: annotator" in error


# --- on the page ------------------------------------------------------------------------------------------------------


@pytest.fixture
def checked(client, admin):
    """checked(rows): (address, page) of a checked upload."""

    def check(rows):
        client.force_login(admin)
        file = SimpleUploadedFile("rows.jsonl", "".join(json.dumps(one) + "\n" for one in rows).encode())
        answer = client.post("/datasets/upload/", {"slug": "demo", "files": file, "overlap": 1}, follow=True)
        return answer.redirect_chain[-1][0], answer.content.decode()

    return check


@pytest.mark.django_db
def test_the_page_shows_what_it_would_mask_and_masks_it(client, checked):
    end = "Write to zoe@example.com."
    long = {"prompt": "Whose?", "chosen": f"{'A long answer. ' * 90}{end}", "rejected": "Nobody's."}
    address, page = checked([long, *MAILS])
    assert "texts with personal data" in page
    assert f"…{('A long answer. ' * 90)[-191:]}{end}</pre>" in page, "the part of a long text that it is about"
    assert page.count('name="mask"') == 2
    client.post(address, {"decision": "store", "mask": ["personal_data", "invented"]})
    run = Import.objects.get()
    assert (run.state, run.rows, run.refused, run.prompts, run.choices) == ("done", 4, 0, 3, 4)
    texts = list_texts()
    assert {"Whose is [EMAIL]?", "Ring [PHONE].", f"Use {SK}."} <= texts
    assert not any("@" in text for text in texts)


@pytest.mark.django_db
def test_the_page_in_chinese(client, checked):
    client.cookies["django_language"] = "zh-hans"
    _, page = checked([{"prompt": "请联系13800138000", "responses": ["好的。", "不行。"]}])
    assert "含有个人信息的文本" in page
    assert "脱敏" in page


@pytest.mark.django_db
def test_the_page_follows_the_rules_of_a_check(client, checked, make_dataset):
    make_dataset([{"prompt": "Mail [EMAIL]?", "chosen": "Yes.", "rejected": "No.", "annotator": "eve"}])
    rows = [
        {"prompt": "Mail a@example.com?", "chosen": "Yes.", "rejected": "No.", "annotator": "eve"},
        {"prompt": "Mail b@example.com?", "chosen": "No.", "rejected": "Yes.", "annotator": "eve"},
        {"prompt": "Mail c@example.com?", "chosen": "No.", "rejected": "Yes.", "annotator": "kim"},
        {"prompt": "Mail d@example.com?", "chosen": "No.", "rejected": "Yes."},
        {"prompt": "Mail e@example.com?", "chosen": "No.", "rejected": "Yes."},
        {"prompt": "Whom?", "chosen": "a@example.com", "rejected": "b@example.com"},
    ]
    address, _ = checked(rows)
    client.post(address, {"decision": "store", "mask": ["personal_data"]})
    run = Import.objects.latest("pk")
    assert (run.state, run.rows, run.refused, run.duplicates, run.prompts, run.choices) == ("done", 6, 2, 1, 0, 3)
    assert Comparison.objects.count() == 1
    assert Choice.objects.count() == 4
    page = client.get(address).content.decode()
    assert "The two answers are identical" in page


@pytest.mark.django_db
def test_left_out_wins_over_masked_on_the_page(client, checked):
    address, _ = checked(MAILS)
    client.post(address, {"decision": "store", "mask": ["personal_data", "keys"], "without": ["personal_data"]})
    run = Import.objects.get()
    assert (run.refused, run.prompts) == (2, 1)
    assert "Use [KEY]." in list_texts()


@pytest.mark.django_db
def test_a_task_masks_and_masking_twice_changes_nothing(checked, admin, monkeypatch):
    checked([*MAILS, {"prompt": "Whose is c@example.com?", "chosen": "It is Ann's.", "rejected": "His."}])
    run = Import.objects.get()
    assert imports_check.mask(run, ["personal_data"]) == 3
    assert imports_check.mask(run, ["personal_data"]) == 0
    job = tasks.start_store(run, admin, [], ["personal_data", "keys"])
    assert job.arguments["mask"] == ["personal_data", "keys"]
    tasks.store(job, lambda done, total: None)
    run.refresh_from_db()
    assert (run.state, run.prompts, run.choices) == ("done", 2, 4)


@pytest.mark.django_db
def test_a_script_masks(admin):
    script = Script(admin, reads=True, writes=True)
    script.post("", {"slug": "demo"})
    body = "".join(json.dumps(row) + "\n" for row in MAILS).encode()
    told = script.post("demo/rows/?mask=personal_data,keys", body, "application/x-ndjson").json()
    assert told["warnings"] == {"keys": 1, "personal_data": 2}
    assert "Whose is [EMAIL]?" in list_texts()
    assert script.post("demo/rows/?mask=names", body, "application/x-ndjson").status_code == 422


# --- known prompts ----------------------------------------------------------------------------------------------------


def hash_text(text):
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("prompt", "normal"),
    [
        (Prompt("Name a  MOON of Ｍａｒｓ."), "name a moon of mars."),
        (Prompt(" Name\ta\u3000moon\n"), "name a moon"),
        (Prompt("Add up.", "2 and 3"), "add up. 2 and 3"),
        (Prompt("Straße ﬁnden"), "strasse finden"),
        (Prompt("火星有几颗卫星？", system="Be exact.", turns=(("user", "Hi"),)), "火星有几颗卫星?"),
    ],
)
def test_a_prompt_is_normalised(prompt, normal):
    assert known_prompts.normalise_prompt(prompt) == normal
    assert known_prompts.hash_prompt(prompt).hex() == hash_text(normal)


@pytest.mark.django_db
def test_known_prompts_are_warned_about_and_left_out(load, tmp_path):
    known = tmp_path / "known.txt"
    known.write_bytes(f"{hash_text('which key?')}\r\n{hash_text('whose is bob@example.com?').upper()}\n".encode())
    status, summary, error = load(MAILS, "--known", str(known), "--mask=all")
    assert (status, summary["warnings"]["known"], summary["prompts"]) == (0, 2, 2)
    assert "known: 2 (prompts on the list of known prompts)" in error
    status, summary, _ = load(MAILS, "--known", str(known), "--leave-out", "known")
    assert (status, summary["refused"], summary["rows"]) == (0, 2, 3)


@pytest.mark.django_db
@pytest.mark.parametrize("line", ["", "0f", "g" * 64, "0 " * 32, f"{'0' * 64}  rows.jsonl", "0" * 65])
def test_a_line_that_is_no_hash_is_wrong_usage(load, tmp_path, line):
    known = tmp_path / "known.txt"
    known.write_text(f"{'0' * 64}\n{line}\n{'1' * 64}\n")
    status, _, error = load(MAILS, "--known", str(known))
    assert status == 2
    assert f"{known}:2: this is no SHA-256" in error


def test_the_documentation_says_how_to_make_a_list(tmp_path):
    section = PAGE.split("### Known prompts")[1]
    shown = re.search(r"^    ([0-9a-f]{64})$", section, re.MULTILINE)[1]
    assert shown == known_prompts.hash_prompt(Prompt("Name a  MOON of Ｍａｒｓ.")).hex()
    command = re.search(r"```sh\n(.*?)```", section, re.DOTALL)[1].replace("python3", sys.executable)
    (tmp_path / "test.jsonl").write_text(json.dumps({"question": "Name a  MOON of Ｍａｒｓ."}) + "\n", encoding="utf-8")
    subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True)
    assert (tmp_path / "known.txt").read_text() == f"{shown}\n"
