"""The texts that users see for codes of this package: why an answer failed, a model is refused, a task paused."""

from django.utils.translation import gettext_lazy as _

# Why a wanted answer failed.
FAILED = {
    "address": _("The server's address is not allowed here. ENDPOINT_NETS lists the private networks that are."),
    "bad_request": _("The server refused the request."),
    "bad_unicode": _("The answer holds a character that cannot be stored (NUL or half of a surrogate pair)."),
    "compressed": _("The server compressed its reply, although it was asked not to."),
    "empty_answer": _("The answer is empty."),
    "interrupted": _("The connection broke in the middle of the answer."),
    "no_answer": _("The reply holds no answer."),
    "not_found": _("The server does not know this model or address."),
    "not_openai": _("The reply is not that of OpenAI's chat API."),
    "only_reasoning": _("The model only thought and gave no answer. A higher max_tokens may help."),
    "prompt_too_long": _("The prompt is too long for the model."),
    "rate_limited": _("The server takes no more requests for now."),
    "redirect": _("The server redirects to another address; redirects are not followed."),
    "server_error": _("The server failed."),
    "stalled": _("The answer began and did not end in time."),
    "timeout": _("The answer did not begin in time."),
    "too_long": _("The reply is larger than the limit of the endpoint."),
    "unauthorized": _("The server refused the key, or asks for one."),
    "unreachable": _("The server cannot be reached."),
}

# Why a model cannot be saved, or a key not used.
MODEL = {
    "bad_unicode": _("The text holds a character that cannot be stored."),
    "key_missing": _("No key of this name is set. Keys come from the environment: CHOSEN_KEY_NAME."),
    "key_of_other_host": _("This key belongs to another host. The host stands with the key in the environment."),
    "key_unreadable": _('The key cannot be read. It has the form "https://host[:port] key".'),
    "name_too_long": _("The name is too long."),
    "not_a_url": _("This is not an http or https address."),
    "not_json": _("The sampling parameters are not a JSON object."),
    "parameter_is_ours": _("These fields cannot be set here: model, messages, stream, stream_options, n."),
    "query_in_url": _("The address must not have a query or a fragment."),
    "user_in_url": _("The address must not hold a user name or password. Keys come from the environment."),
    "wrong_max_tokens": _("max_tokens is a number from 1 to 1,000,000."),
    "wrong_model": _("The model's name at the server is missing."),
    "wrong_name": _("A name has at most 60 letters, digits, dots, hyphens and underscores."),
    "wrong_temperature": _("The temperature is a number from 0 to 5."),
    "wrong_top_p": _("top_p is a number from 0 to 1."),
}

# Why a task of generation paused without being asked.
PAUSED = {
    "failures": _("The server failed twenty times in a row."),
    "key": _("Nothing was asked: the key cannot be used."),
    "limit_answers": _("The limit of answers is reached."),
    "limit_money": _("The limit of costs is reached."),
    "limit_tokens": _("The limit of tokens is reached."),
}
