"""Which names a new person may have: a name must not pass for another one on a screen or in an export."""

import unicodedata

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

ALIKE = {"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "COPTIC", "CHEROKEE"}  # alphabets that share the look of letters


def check_name(name):
    """Refuse a name without a letter or digit, as "..", and one of two alphabets whose letters look alike. Chinese goes
    with Latin letters."""
    name = unicodedata.normalize("NFKC", name)
    if not any(map(str.isalnum, name)):
        raise ValidationError(_("A name needs a letter or a digit."))
    if len(ALIKE & {get_alphabet(letter) for letter in name}) > 1:
        raise ValidationError(_("This name mixes alphabets whose letters look alike, as Latin and Cyrillic."))


def get_alphabet(letter):
    """The first word of the letter's name in Unicode, which tells its alphabet."""
    return unicodedata.name(letter, "").partition(" ")[0]


def fold_name(name):
    """What two names have in common that differ in upper and lower case, or in width, only."""
    return unicodedata.normalize("NFKC", name).casefold()
