"""Password validation."""

from django.contrib.auth.password_validation import MinimumLengthValidator
from django.utils.translation import ngettext


class LengthValidator(MinimumLengthValidator):
    """Django's minimum length, with a message that Django's Chinese catalogue lacks."""

    def get_error_message(self) -> str:
        message = ngettext(
            "This password is too short: at least %(n)s character is needed.",
            "This password is too short: at least %(n)s characters are needed.",
            self.min_length,
        )
        return message % {"n": self.min_length}
