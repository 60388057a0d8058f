from django.contrib.auth.password_validation import MinimumLengthValidator
from django.utils.translation import ngettext


class LengthValidator(MinimumLengthValidator):
    """Django's rule, with a sentence that its own Chinese catalogue lacks."""

    def get_error_message(self):
        message = ngettext(
            "This password is too short: at least %(n)s character is needed.",
            "This password is too short: at least %(n)s characters are needed.",
            self.min_length,
        )
        return message % {"n": self.min_length}
