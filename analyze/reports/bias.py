"""What the choices would teach besides: length, side, form, refusals."""

from django.utils.translation import gettext_lazy as _

from analyze.maths.bias import bias
from analyze.maths.style import traits
from analyze.reports import rate_of

LABEL = _("Bias")
PLACE = 5
RATES = ("longer_won", "left_won", "lists_won", "headings_won", "code_won", "bold_won", "refusals_won")


def numbers(data):
    rows = data.sample
    choices, texts = data.choices, data.sampled_texts
    chosen, rejected = choices.chosen[rows].tolist(), choices.rejected[rows].tolist()
    of_text = dict(zip(texts, traits(list(texts.values())), strict=True))
    found = bias(
        [of_text[pk] for pk in chosen],
        [of_text[pk] for pk in rejected],
        choices.prompt[rows],
        choices.strength[rows],
        choices.left[rows],
    )
    balance = found.balance
    return {
        "bias": {
            **{name: rate_of(getattr(found, name)) for name in RATES},
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
