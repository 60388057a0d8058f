"""orca_dpo_pairs and distilabel: system, question (or input), chosen, rejected as strings. Read shape 9."""

from datasets.formats import parsers, wide
from datasets.formats.pairs import build_pair, parse_side
from datasets.formats.rows import Prompt, RawRow, Row

LABEL = "Orca DPO pairs"
SHAPE = 9
KEEPS = frozenset(
    {"generations", "order", "rating", "rationale", "labelling_model", "labelling_prompt", "raw_labelling_response",
     "generation_model", "generation_models", "generation_prompt", "raw_generation_responses", "original_chosen",
     "original_rejected", "chosen_score", "in_gsm8k_train"}
)  # fmt: skip


def matches(keys: set[str], row: RawRow) -> bool:
    asked = bool(keys & {"question", "input"}) and "instruction" not in keys
    return asked and {"system", "chosen", "rejected"} <= keys and not wide.is_pointer(keys, row)


def read(row: RawRow) -> Row:
    key = "question" if "question" in row else "input"
    prompt = Prompt(
        instruction=parsers.parse_filled_text(parsers.require_field(row, key), key),
        system=parsers.parse_text(row.get("system"), "system", required=False),
    )
    _, chosen = parse_side(row, "chosen", as_json=False)
    _, rejected = parse_side(row, "rejected", as_json=False)
    return build_pair(row, prompt, chosen[0], rejected, verdict="tie" if row.get("status") == "tie" else "left")
