"""Rules for the names of new users: no name may look like another one on screen or in an export."""

import unicodedata

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

ALIKE = {"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "COPTIC", "CHEROKEE"}  # scripts with look-alike letters


def check_name(name: str) -> None:
    """Raises ValidationError for a name without letters and digits, such as "..", or one that mixes look-alike scripts.

    Other scripts mix freely: Chinese with Latin letters, for example.
    """
    name = unicodedata.normalize("NFKC", name)
    if not any(map(str.isalnum, name)):
        raise ValidationError(_("A username needs a letter or a digit."))
    if len(ALIKE & {get_alphabet(letter) for letter in name}) > 1:
        raise ValidationError(_("This username mixes alphabets with look-alike letters, such as Latin and Cyrillic."))


def get_alphabet(letter: str) -> str:
    """The letter's script: the first word of its Unicode name; "" for a character without a name."""
    return unicodedata.name(letter, "").partition(" ")[0]


def fold_name(name: str) -> str:
    """The name normalised, so that names that differ only in case or width compare equal."""
    return unicodedata.normalize("NFKC", name).casefold()
