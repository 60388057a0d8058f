"""Task templates: sound in every language, found by their files alone, applied as if typed in the page."""

import re
import sys

import pytest
from django.conf import settings
from django.utils import translation

from annotate import task_templates
from annotate.judging.record import record
from annotate.question_forms import MAX_LENGTH
from annotate.queue.lease import lease_next
from annotate.task_setup import InvalidTask, TaskForm, apply_template, build_template_values, copy_task
from annotate.task_templates import UnknownTemplate, list_templates, load_templates
from datasets.forms import GuidelineForm
from datasets.models import Change, Choice, Comparison, Dataset, Guideline, Judgment
from datasets.text.rendered import render
from tests.conftest import build_rows

NAMES = ["helpfulness", "safety", "code", "summaries", "translation", "chat"]
LANGUAGES = [code for code, _label in settings.LANGUAGES]
EVERY_TEXT = pytest.mark.parametrize(
    ("template", "language"),
    [(template, language) for template in list_templates() for language in LANGUAGES],
    ids=lambda value: getattr(value, "name", value),
)
NOT_TASK = {"fewest_shown", "most_shown", "guideline_number"}  # what follows from the task
TASK = {name for name in TaskForm.base_fields if name not in NOT_TASK}


def read_task(dataset):
    return Dataset.objects.values(*TASK, "fewest_shown", "most_shown").get(pk=dataset.pk)


# --- the texts --------------------------------------------------------------------------------------------------------


def test_the_templates_are_listed_in_order_and_each_file_is_one():
    files = {path.stem for path in (settings.BASE_DIR / "annotate/task_templates").glob("*.py")} - {"__init__"}
    assert [template.name for template in list_templates()] == NAMES
    assert files == set(NAMES)


def test_a_new_file_is_listed_without_another_change(monkeypatch, tmp_path):
    (tmp_path / "odd_one.py").write_text(
        "from annotate.task_templates import Texts\n"
        "LABEL, SUMMARY, ORDER, SETTINGS = 'Odd', 'Odd.', 15, {'question': 'stars', 'most_shown': 1}\n"
        "TEXTS = {'en': Texts((('kind', ''),), ('because',), 'Rate it.')}\n"
    )
    (tmp_path / "no_template.py").write_text("LABEL = 'x'\n")
    monkeypatch.setattr(task_templates, "__path__", [*task_templates.__path__, str(tmp_path)])
    load_templates.cache_clear()
    try:
        names = [template.name for template in list_templates()]
        values = build_template_values("odd_one", "en")
    finally:
        load_templates.cache_clear()
        for name in ("odd_one", "no_template"):
            sys.modules.pop(f"annotate.task_templates.{name}", None)
    assert names == ["helpfulness", "odd_one", *NAMES[1:]]
    assert values == {
        "question": "stars",
        "most_shown": 1,
        "criteria": "kind",
        "chips": "because",
        "guideline": "Rate it.",
    }


@EVERY_TEXT
def test_the_form_takes_a_template_as_it_is(template, language, db):
    texts = template.texts[language]
    dataset = apply_template(Dataset.objects.create(slug="demo"), template.name, language)
    dataset.refresh_from_db()
    assert {name: getattr(dataset, name) for name in template.settings} == dict(template.settings)
    assert [(one["name"], one["guideline"]) for one in dataset.criteria] == list(texts.criteria)
    assert dataset.chips == list(texts.chips)
    assert dataset.guideline == texts.guidelines


@EVERY_TEXT
def test_the_texts_of_a_template_are_sound(template, language):
    texts = template.texts[language]
    names = [name.casefold() for name, _guideline in texts.criteria]
    assert len(set(names)) == len(names)
    assert all(guideline and "\n" not in guideline for _name, guideline in texts.criteria)
    assert max(map(len, (*names, *texts.chips))) <= MAX_LENGTH
    assert len(set(texts.chips)) == len(texts.chips) <= 9


@EVERY_TEXT
def test_the_guidelines_of_a_template_have_every_part_and_a_fitting_length(template, language):
    text = template.texts[language].guidelines
    html = render(text)
    headings = len(re.findall("^## ", text, re.MULTILINE))
    cases = text.rpartition("## ")[2]
    words = len(text.split()) if language == "en" else len(re.findall(r"[\u4e00-\u9fff]", text))
    low, high = (150, 350) if language == "en" else (250, 600)
    assert low <= words <= high
    assert html.count("<h") - html.count("<hr") == headings >= 3
    assert "<ol" in html
    assert "<ul" in html
    assert not re.search(r"\*|<math|<br", html)  # half a pair of marks, a formula by mistake, a wrapped paragraph
    assert 3 <= len(re.findall(r"^- \*", cases, re.MULTILINE)) <= 4
    assert bool(re.search(r"[\u4e00-\u9fff]", text)) == (language == "zh-hans")


@pytest.mark.parametrize("template", list_templates(), ids=lambda template: template.name)
def test_the_languages_of_a_template_say_the_same_amount(template):
    assert list(template.texts) == LANGUAGES
    shapes = {
        (len(texts.criteria), len(texts.chips), *(texts.guidelines.count(mark) for mark in ("\n## ", "\n- ", "\n1. ")))
        for texts in template.texts.values()
    }
    assert len(shapes) == 1


@EVERY_TEXT
def test_the_guidelines_speak_of_the_buttons_that_are_there(template, language):
    words = {
        "en": {"allow_both_bad": "Both bad", "allow_skip": "skip", "allow_flag": "**Flag:"},
        "zh-hans": {"allow_both_bad": "**都不好", "allow_skip": "跳过", "allow_flag": "**反馈问题"},
    }[language]
    text = template.texts[language].guidelines
    # A button may go without a word; a word without its button misleads.
    offered = {name for name in words if template.settings[name]}
    assert {name for name, word in words.items() if word in text} <= offered
    assert ("Tie" in text or "Same place" in text or "平局" in text or "并列" in text) == template.settings["allow_tie"]


def test_the_templates_set_the_same_settings():
    assert {frozenset(template.settings) - {"most_shown"} for template in list_templates()} == {
        frozenset(load_templates()["safety"].settings)
    }
    assert all(set(template.settings) <= set(TaskForm.base_fields) for template in list_templates())


# --- applying ---------------------------------------------------------------------------------------------------------


def test_a_template_makes_one_version_and_lines_in_the_audit_log(pairs, admin):
    apply_template(pairs, "safety", "en", by=admin)
    version = Guideline.objects.get()
    assert (version.number, version.made_by, version.text) == (1, admin, pairs.guideline)
    assert [one["name"] for one in version.criteria] == ["safe", "not overcautious", "considerate"]
    lines = {
        what: (kind, by, after)
        for kind, what, by, after in Change.objects.filter(by=admin).values_list("kind", "what", "by_name", "after")
    }
    assert set(lines) == {"guideline", "criteria", "chips", "reasons", "allow_flag"}
    assert lines["reasons"] == (Change.Kind.SETTING, "admin", "required")
    assert lines["guideline"] == (Change.Kind.GUIDELINE, "admin", 1)
    before = Change.objects.count()
    apply_template(pairs, "safety", "en", by=admin)
    assert (Guideline.objects.count(), Change.objects.count()) == (1, before)


def test_another_question_regenerates_comparisons_and_keeps_what_was_judged(make_dataset, alice):
    dataset = make_dataset(build_rows(3, answers=3))
    judgment = lease_next(alice, dataset)
    record(judgment, 0, "left")
    apply_template(dataset, "translation", "zh-hans")
    shown = sorted(len(comparison.response_ids) for comparison in Comparison.objects.all())
    assert shown == [2, 3, 3, 3]
    assert (dataset.fewest_shown, dataset.most_shown) == (2, 3)
    assert Judgment.objects.get(state=Judgment.State.SAVED).pk == judgment.pk
    assert Choice.objects.count() == 1
    apply_template(dataset, "chat", "en")
    assert {len(comparison.response_ids) for comparison in Comparison.objects.all()} == {2}
    assert (Comparison.objects.count(), dataset.guideline_number) == (9, 2)


def test_what_a_template_leaves_open_stays(pairs):
    kept = {"kept_ready": 9, "repair_round": True, "overlap": 3, "gold_share": 5, "name": "Mine"}
    Dataset.objects.update(**kept)
    pairs.refresh_from_db()
    apply_template(pairs, "code", "en")
    assert Dataset.objects.values(*kept).get() == kept


@pytest.mark.parametrize(("name", "language"), [("nonsense", "en"), ("__init__", "en"), ("code", "xx")])
def test_an_unknown_template_changes_nothing_and_lists_what_there_is(pairs, name, language):
    before = read_task(pairs)
    with pytest.raises(UnknownTemplate, match="zh-hans" if name == "code" else "helpfulness, safety, code"):
        apply_template(pairs, name, language)
    assert read_task(pairs) == before


# --- copying ----------------------------------------------------------------------------------------------------------


def test_a_copy_has_the_whole_task_of_the_other_and_nothing_else(make_dataset, admin):
    source, dataset = make_dataset(build_rows(1)), make_dataset(build_rows(2, answers=4), slug="other", overlap=3)
    apply_template(source, "translation", "zh-hans")
    odd = {"kept_ready": 7, "repair_round": True, "ask_repairs": True, "with_stars": True, "state": "paused"}
    Dataset.objects.filter(pk=source.pk).update(most_shown=4, **odd)
    source.refresh_from_db()
    copy_task(source, dataset, by=admin)
    assert read_task(dataset) == read_task(source)
    assert Dataset.objects.values_list("slug", "overlap", "state").get(pk=dataset.pk) == ("other", 3, "open")
    assert {len(comparison.response_ids) for comparison in Comparison.objects.filter(dataset=dataset)} == {4}
    assert Guideline.objects.get(dataset=dataset).made_by == admin
    assert Change.objects.filter(dataset=dataset, by=admin, what="question", after="rank").exists()


def test_a_copy_of_pairs_writes_only_what_differs(pairs, make_dataset, admin):
    other = make_dataset(build_rows(2), slug="other")
    Dataset.objects.filter(pk=pairs.pk).update(allow_tie=False)
    with translation.override("zh-hans"):  # the default reasons are stored as none, in any language
        copy_task(Dataset.objects.get(pk=pairs.pk), other, by=admin)
    assert list(Change.objects.filter(dataset=other, by=admin).values_list("what", flat=True)) == ["allow_tie"]
    assert Dataset.objects.get(pk=other.pk).chips == []


def test_a_task_that_the_form_rejects_is_not_copied(pairs, make_dataset):
    other = make_dataset(build_rows(2), slug="other")
    before = read_task(other)
    Dataset.objects.filter(pk=pairs.pk).update(question="gone")
    with pytest.raises(InvalidTask, match="Question: "):
        copy_task(Dataset.objects.get(pk=pairs.pk), other)
    assert read_task(other) == before


# --- the form of the guideline, the command ---------------------------------------------------------------------------


def test_the_form_of_the_guideline_writes_it_alone(pairs, admin):
    Dataset.objects.update(overlap=3)  # by another admin, since the form was rendered
    form = GuidelineForm(instance=pairs, data={"guideline": "Be fair."})
    assert form.is_valid()
    form.save(by=admin)
    assert Dataset.objects.values_list("guideline", "guideline_number", "overlap").get() == ("Be fair.", 1, 3)
    assert Guideline.objects.get().made_by == admin
    assert Change.objects.filter(kind=Change.Kind.GUIDELINE, by=admin).count() == 1


def test_the_command_sets_up_a_task_and_what_is_named_wins(pairs, run_command):
    status, said, _ = run_command("set_dataset", "demo", "--task=code", "--language=zh-hans", "--allow-tie=no")
    texts = load_templates()["code"].texts["zh-hans"]
    assert status == 0
    assert (said["question"], said["allow_tie"], said["reasons"]) == ("scale", False, "optional")
    assert (said["guideline"], said["chips"]) == (texts.guidelines, list(texts.chips))
    assert (Guideline.objects.count(), Dataset.objects.get().guideline_number) == (1, 1)
    assert run_command("set_dataset", "demo", "--task=code")[1]["chips"][0] == "runs as it is"


def test_the_command_copies_a_task(pairs, make_dataset, run_command):
    other = make_dataset(build_rows(2), slug="other")
    apply_template(pairs, "summaries", "en")
    status, _said, _ = run_command("set_dataset", "other", "--copy-task=demo", "--overlap=2")
    assert (status, read_task(other)) == (0, read_task(pairs))
    assert Dataset.objects.get(slug="other").overlap == 2


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--task=nonsense"], "There are: helpfulness, safety, code, summaries, translation, chat"),
        (["--task="], "There are: helpfulness"),
        (["--task=code", "--language=xx"], "en, zh-hans"),
        (["--copy-task=nowhere"], "There are: demo"),
        (["--copy-task="], "There are: demo"),
    ],
)
def test_the_command_lists_what_there_is_and_changes_nothing(pairs, run_command, options, told):
    before = run_command("set_dataset", "demo")[1]
    status, _, said = run_command("set_dataset", "demo", "--name=New", *options)
    assert status == 2
    assert told in said
    assert run_command("set_dataset", "demo")[1] == before


def test_the_command_takes_one_task(pairs, run_command):
    status, _, said = run_command("set_dataset", "demo", "--task=code", "--copy-task=demo")
    assert status
    assert "not allowed with" in said
