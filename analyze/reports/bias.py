"""The part on biases that a model would learn from the choices: length, side, form, refusals."""

from django.utils.translation import gettext_lazy as _

from analyze.columns import DatasetColumns
from analyze.maths.bias import compute_bias
from analyze.maths.style import count_traits
from analyze.reports import build_rate
from analyze.shapes import Numbers

LABEL = _("Bias")
PLACE = 5
RATES = ("longer_won", "left_won", "lists_won", "headings_won", "code_won", "bold_won", "refusals_won")


def numbers(data: DatasetColumns) -> Numbers:
    rows = data.sample
    choices, texts = data.choices, data.sampled_texts
    chosen, rejected = choices.chosen[rows].tolist(), choices.rejected[rows].tolist()
    traits_by_text = dict(zip(texts, count_traits(list(texts.values())), strict=True))
    measured = compute_bias(
        [traits_by_text[pk] for pk in chosen],
        [traits_by_text[pk] for pk in rejected],
        choices.prompt[rows],
        choices.strength[rows],
        choices.left[rows],
    )
    balance = measured.balance
    return {
        "bias": {
            **{name: build_rate(getattr(measured, name)) for name in RATES},
            "balance": {
                "longer": balance.longer,
                "shorter": balance.shorter,
                "equal": balance.equal,
                "kept": balance.kept,
                "left_out": balance.left_out,
                "won": balance.won,
            },
            "looked_at": len(rows),
        }
    }
