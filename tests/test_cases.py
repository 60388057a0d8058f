"""Files in the shapes that public tools write (../shared/cases, where it is there), and what is right for each."""

import json
from pathlib import Path

import pytest
from django.conf import settings

from datasets.models import Comparison, Prompt, Response

CASES = Path(settings.BASE_DIR).parent / "shared" / "cases"
pytestmark = [
    pytest.mark.django_db,
    pytest.mark.once,  # how a file is read does not depend on the database
    pytest.mark.skipif(
        not CASES.exists(), reason="../shared/cases is not there: these files are not part of the project"
    ),
]


@pytest.fixture
def load(run_command):
    """load(file name, *options): (exit status, summary, stderr) of an import into the dataset `t`."""

    def load(name, *options):
        return run_command("import_dataset", "t", str(CASES / name), *options)

    return load


@pytest.fixture
def export(run_command, tmp_path):
    """export(dialect, *options): the rows of the file."""

    def export(dialect, *options):
        path = tmp_path / f"{dialect}.jsonl"
        status, summary, _ = run_command("export_dataset", "t", "--format", dialect, "--output", str(path), *options)
        assert status == 0
        export.left_out = summary["left_out"]
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    return export


def build_message(role, content):
    return {"role": role, "content": content}


def pair_texts(rows):
    """[(chosen, rejected)] of rows of `dpo`, sorted."""
    return sorted((row["chosen"][0]["content"], row["rejected"][0]["content"]) for row in rows)


def is_nothing_stored():
    return not Prompt.objects.exists()


def test_01_swift_preferences_are_pairs(load, export, run_command, tmp_path):
    status, summary, _ = load("01-swift-rejected-response.jsonl")
    assert (status, summary["choices"], summary["unread"]) == (0, 3, {})
    rows = export("dpo")
    expected = [("Deimos.", "Io."), ("Io.", "Phobos."), ("Phobos.", "Luna.")]
    assert pair_texts(rows) == expected
    first = next(row for row in rows if row["chosen"][0]["content"] == "Phobos.")
    assert first["prompt"] == [build_message("user", "Name a moon of Mars.")]
    second = next(row for row in rows if row["chosen"][0]["content"] == "Deimos.")
    assert second["prompt"][0] == build_message("system", "Be exact.")
    assert not Response.objects.filter(demonstration=True).exists()
    swift = tmp_path / "swift.jsonl"
    run_command("export_dataset", "t", "--format", "dpo-swift", "--output", str(swift))
    status, summary, _ = run_command("import_dataset", "again", str(swift))
    assert (status, summary["choices"]) == (0, 3)
    run_command("export_dataset", "again", "--format", "dpo", "--output", str(swift))
    assert pair_texts([json.loads(line) for line in swift.read_text().splitlines()]) == expected


def test_02_a_late_label_counts(load, export):
    status, summary, _ = load("02-late-label.jsonl")
    assert (status, summary["rows"]) == (0, 51)
    rows = export("messages")
    assert len(rows) == 50
    assert "cheese" not in json.dumps(rows)


def test_03_what_is_not_safe_is_asked_about(load, export):
    status, summary, error = load("03-rated-single-answers.jsonl")
    assert (status, summary["unread"]) == (1, {"is_safe": 2})
    assert "is_safe" in error
    assert is_nothing_stored()
    roles = ("prompt=prompt", "demonstration=response", "label=is_safe")
    status, summary, _ = load("03-rated-single-answers.jsonl", *(word for role in roles for word in ("--map", role)))
    assert status == 0
    assert [row["messages"][-1]["content"] for row in export("messages")] == ["Nectar and pollen."]


def test_03b_undesirable_is_no_demonstration(load, export):
    assert load("03b-label-undesirable.jsonl")[0] == 0
    assert [row["messages"][-1]["content"] for row in export("messages")] == ["4"]


def test_04_pictures_stop_the_import(load):
    status, summary, error = load("04-image-wide.jsonl")
    assert (status, summary["unread"]) == (1, {"image": 2})
    assert "image" in error
    assert is_nothing_stored()


def test_05_a_system_prompt_is_part_of_the_prompt(load, export):
    status, summary, _ = load("05-system-prompt-column.jsonl")
    assert (status, summary["prompts"]) == (0, 2)
    systems = sorted(row["prompt"][0]["content"] for row in export("dpo"))
    assert systems == ["Answer formally.", "Answer like a teenager."]


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("06-tools-and-tool-calls.jsonl", "tool_calls"),
        ("06b-tool-call-candidates.jsonl", "tool_calls"),
        ("06c-tool-turns.jsonl", "tool"),
        ("07-reasoning-content.jsonl", "reasoning_content"),
    ],
)
def test_06_07_tools_and_reasoning_are_refused_by_name(load, name, field):
    status, summary, error = load(name)
    assert status == 1
    assert summary["refused"] == summary["rows"] == 1
    assert field in error
    assert is_nothing_stored()


def test_08_a_verdict_in_label_is_asked_about(load, export):
    status, summary, error = load("08-verdict-in-label.jsonl")
    assert (status, summary["unread"]) == (1, {"label": 2})
    assert "label" in error
    roles = ("prompt=question", "answer_1=response_A", "answer_2=response_B", "winner=label", "counts=from_0")
    status, summary, _ = load("08-verdict-in-label.jsonl", *(word for role in roles for word in ("--map", role)))
    assert (status, summary["choices"]) == (0, 2)
    assert pair_texts(export("dpo")) == [("Io.", "Phobos."), ("Phobos.", "Luna.")]


def test_08b_argilla_flat(load, export):
    status, summary, _ = load("08b-verdict-argilla-flat.jsonl")
    assert (status, summary["choices"]) == (0, 1)
    assert pair_texts(export("dpo")) == [("Phobos.", "Luna.")]
    assert pair_texts(export("dpo", "--annotator", "ann")) == [("Phobos.", "Luna.")]


def test_09_lists_as_json_text_are_lists(load, export):
    assert load("09-json-string-columns.jsonl")[0] == 0
    assert pair_texts(export("dpo")) == [("Phobos.", "Luna.")]


def test_09b_lists_as_python_prints_them_are_refused(load):
    status, _, error = load("09b-python-string-columns.jsonl")
    assert status == 1
    assert "chosen" in error
    assert is_nothing_stored()


def test_10_a_context_is_the_input(load, export):
    assert load("10-context-column.jsonl")[0] == 0
    assert export("alpaca")[0]["input"] == "The mill of Arden opened in 1901 and closed in 1950."


def test_11_a_dialogue_as_prompt(load, export):
    assert load("11-hh-prompt-string.jsonl")[0] == 0
    (row,) = export("dpo")
    assert row["prompt"] == [
        build_message("user", "Hi"),
        build_message("assistant", "Hello!"),
        build_message("user", "Name a moon of Mars."),
    ]
    assert pair_texts([row]) == [("Phobos.", "Luna.")]


def test_11c_a_templated_prompt_is_warned_about(load):
    status, summary, _ = load("11c-templated-prompt.jsonl")
    assert status == 0
    assert summary["warnings"]["control_tokens"] == 1


def test_12_a_source_of_data_is_no_model(load, export):
    assert load("12-alpaca-with-source.jsonl")[0] == 0
    assert len(export("alpaca")) == 2


def test_13_openrlhf_input(load, export):
    assert load("13-openrlhf-input.jsonl")[0] == 0
    (row,) = export("dpo")
    assert row["prompt"] == [build_message("user", "Name a moon of Mars.")]
    assert pair_texts([row]) == [("Phobos.", "Luna.")]


def test_14_content_parts(load, export):
    assert load("14-content-parts.jsonl")[0] == 0
    assert pair_texts(export("dpo")) == [("Phobos.", "Luna.")]


def test_15_kto_of_llamafactory(load, export):
    assert load("15-kto-alpaca.jsonl")[0] == 0
    assert [row["output"] for row in export("alpaca")] == ["Phobos."]


def test_15c_labels_come_back(load, export):
    assert load("15c-kto-in-kto-out.jsonl")[0] == 0
    for dialect in ("kto", "kto-messages"):
        assert sorted(row["label"] for row in export(dialect)) == [False, True]


def test_17_a_margin_is_kept(load, export):
    assert load("17-reward-margin.jsonl")[0] == 0
    assert export("reward")[0]["margin"] == 3.0


@pytest.mark.parametrize(
    "roles",
    [
        (),
        (
            "prompt=prompt",
            "chosen=chosen",
            "rejected=rejected",
            "chosen_source=chosen_model",
            "rejected_source=rejected_model",
        ),
    ],
)
def test_18_sources_of_both_sides(load, roles):
    assert load("18-chosen-model.jsonl", *(word for role in roles for word in ("--map", role)))[0] == 0
    assert sorted(Response.objects.values_list("source", flat=True)) == ["atlas", "birch"]


def test_18_a_role_without_effect_is_wrong_usage(load):
    roles = ("prompt=prompt", "chosen=chosen", "rejected=rejected", "source_1=chosen_model")
    assert load("18-chosen-model.jsonl", *(word for role in roles for word in ("--map", role)))[0] == 2


def test_19_ids_come_back(load, export, run_command, tmp_path):
    assert load("19-ids.jsonl")[0] == 0
    table = tmp_path / "t.csv"
    run_command("export_dataset", "t", "--format", "judgments-csv", "--output", str(table))
    assert "row-17" in table.read_text()
    assert export("dpo", "--with", "id")[0]["id"] == "row-17"


def test_20_several_rejected(load, export):
    status, summary, _ = load("20-several-rejected.jsonl")
    assert (status, summary["choices"]) == (0, 3)
    assert pair_texts(export("dpo")) == [("Phobos.", "Europa."), ("Phobos.", "Io."), ("Phobos.", "Luna.")]
    assert sorted(Response.objects.values_list("source", flat=True)) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("name", "word"), [("21-pandas-columns.json", "orient"), ("21c-hub-rows-api.json", "rows[].row")]
)
def test_21_json_that_is_no_list_of_rows_is_told_why(load, name, word):
    status, _, error = load(name)
    assert status == 2
    assert word in error


def test_22_xtuner(load, export):
    assert load("22-xtuner.jsonl")[0] == 0
    texts = ("你是老师。", "火星有几颗卫星？", "两颗。")
    messages = [build_message(*turn) for turn in zip(("system", "user", "assistant"), texts, strict=True)]
    assert export("messages")[0]["messages"] == messages


def test_23_gold_of_an_answer_is_no_verdict(load, export):
    assert load("23-gold-column.jsonl")[0] == 0
    assert len(export("messages")) == 2


def test_24_fields_within_fields(load, export):
    roles = (
        "prompt=question.full_text",
        "answer_1=answer_0",
        "answer_2=answer_1",
        "score_1=score_0",
        "score_2=score_1",
    )
    status, summary, _ = load("24-webgpt.jsonl", *(word for role in roles for word in ("--map", role)))
    assert (status, summary["choices"]) == (0, 1)
    (row,) = export("reward")
    assert pair_texts([row]) == [("Phobos [1].", "Luna.")]
    assert row["margin"] == 1.0


def test_25_turns_that_do_not_alternate(load, export):
    status, summary, _ = load("25-assistant-first.jsonl")
    assert (status, summary["rows"]) == (0, 2)
    first, second = sorted(export("messages"), key=lambda row: row["messages"][0]["role"])
    assert [turn["role"] for turn in first["messages"]] == ["assistant", "user", "assistant"]
    assert [turn["role"] for turn in second["messages"]] == ["user", "user", "assistant"]
    assert export("sharegpt") == []
    assert export.left_out == {"not_alternating": 2}


def test_25_turns_of_one_side_are_joined_on_demand(load, export):
    status, summary, _ = load("25-assistant-first.jsonl", "--turns", "join", "--skip-bad-rows")
    assert (status, summary["refused"]) == (0, 1)
    assert export("messages")[0]["messages"][0] == build_message("user", "Hello?\n\nAre you there?")
    assert load("25-assistant-first.jsonl", "--turns", "refuse")[0] == 1


def test_26_a_turn_of_weight_zero_is_warned_about(load):
    status, summary, _ = load("26-weight-zero-turn.jsonl")
    assert status == 0
    assert summary["warnings"]["turn_weight"] == 1


def test_27_answers_of_several_turns_come_back_as_they_were(load, export):
    status, summary, _ = load("27-trajectory-preference.jsonl")
    assert (status, summary["prompts"], summary["responses"], summary["choices"]) == (0, 1, 2, 1)
    assert export("dpo") == [json.loads((CASES / "27-trajectory-preference.jsonl").read_text())]
    assert export("dpo-alpaca") == []
    assert export.left_out == {"several_turns": 1}


def test_27_twice_is_all_duplicates(load, export):
    for _ in range(2):
        status, summary, _ = load("27-trajectory-preference.jsonl")
        assert status == 0
    assert (summary["prompts"], summary["responses"], summary["choices"], summary["duplicates"]) == (0, 0, 0, 1)
    assert len(export("dpo")) == 1


def test_28_a_winner_counted_from_zero_is_never_inverted(load, export):
    status, _, error = load("28-winner-counts-from-0.jsonl", "--skip-bad-rows")
    assert status in (1, 2)
    assert "winner" in error
    assert is_nothing_stored()
    roles = ("prompt=prompt", "answer_1=response_a", "answer_2=response_b", "winner=winner", "counts=from_0")
    assert load("28-winner-counts-from-0.jsonl", *(word for role in roles for word in ("--map", role)))[0] == 0
    assert pair_texts(export("dpo")) == [("Io.", "Phobos."), ("Phobos.", "Luna.")]


def test_30_numbers_as_pandas_writes_them(load, export):
    status, summary, _ = load("30-pandas-floats.csv")
    assert (status, summary["choices"]) == (0, 2)
    assert pair_texts(export("dpo")) == [("Io.", "Phobos."), ("Phobos.", "Luna.")]
    assert Comparison.objects.filter(open_slots__gt=0).count() == 1


def test_31_a_winner_by_its_text(load, export):
    assert load("31-winner-by-text.jsonl")[0] == 0
    assert pair_texts(export("dpo")) == [("Phobos.", "Luna.")]


def test_32_verdicts_in_chinese(load, export):
    assert load("32-chinese-verdicts.jsonl")[0] == 0
    export("dpo")
    assert export.left_out == {"tie": 1, "both_bad": 1}


def test_34_control_tokens_and_placeholders(load):
    status, summary, _ = load("34-control-tokens-and-placeholders.jsonl")
    assert status == 0
    assert summary["warnings"]["control_tokens"] == 1
    assert summary["warnings"]["placeholder"] == 1


def test_35_our_own_table_of_judgments(load, export):
    status, summary, _ = load("35-own-judgments.csv")
    assert (status, summary["choices"]) == (0, 2)
    assert pair_texts(export("dpo", "--annotator", "ann")) == [
        ("About 10^16 kg.", "Heavy."),
        ("Could you send it?", "Send."),
    ]
