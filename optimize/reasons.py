"""The texts that users see for codes of this package: why an answer failed, a model is refused, a task paused."""

from django.utils.translation import gettext_lazy as _

from datasets import reasons as dataset_reasons

# Why a wanted answer failed.
FAILED = {
    "address": _("This server address is not allowed. ENDPOINT_NETS lists the allowed private networks."),
    "bad_request": _("The server refused the request."),
    "bad_unicode": _("The answer contains a character that cannot be stored (NUL or an unpaired surrogate)."),
    "compressed": _("The server compressed its response although compression was not requested."),
    "empty_answer": _("The answer is empty."),
    "interrupted": _("The connection broke in the middle of the answer."),
    "interrupted_task": _("The job was interrupted."),
    "no_answer": _("The response contains no answer."),
    "not_found": _("The server does not know this model or URL."),
    "not_openai": _("The response does not follow OpenAI's chat API."),
    "only_reasoning": _("The model produced only reasoning and no answer. A higher max_tokens may help."),
    "prompt_too_long": _("The prompt exceeds the model's context length."),
    "rate_limited": _("The server is rate limiting."),
    "redirect": _("The server redirects to another address; redirects are not followed."),
    "server_error": _("The server failed."),
    "stalled": _("The answer did not finish in time."),
    "timeout": _("The answer did not start in time."),
    "too_long": _("The response exceeds the endpoint's size limit."),
    "unauthorized": _("The server rejected the key, or requires one."),
    "unreachable": _("The server cannot be reached."),
}

# Why a model cannot be saved, or a key not used.
MODEL = {
    "bad_unicode": _("The text contains a character that cannot be stored."),
    "key_missing": _("No key with this name is set. Keys come from the environment: CHOSEN_KEY_NAME."),
    "key_of_other_host": _("This key belongs to another host. The environment variable names host and key."),
    "key_unreadable": _('The key cannot be read. Expected form: "https://host[:port] key".'),
    "name_too_long": _("The name is too long."),
    "not_a_url": _("Not an http or https URL."),
    "not_json": _("The sampling parameters are not a JSON object."),
    "parameter_is_ours": _("These fields cannot be set here: model, messages, stream, stream_options, n."),
    "query_in_url": _("The URL must not have a query or a fragment."),
    "user_in_url": _("The URL must not contain a username or password. Keys come from the environment."),
    "wrong_max_tokens": _("max_tokens must be 1 to 1,000,000."),
    "wrong_model": _("The model ID is missing."),
    "wrong_name": _("A name has at most 60 letters, digits, dots, hyphens and underscores."),
    "wrong_temperature": _("The temperature must be 0 to 5."),
    "wrong_top_p": _("top_p must be 0 to 1."),
}

# Why a task of generation paused without being asked.
PAUSED = {
    "failures": _("The server failed 20 times in a row."),
    "key": _("No request was sent: the key cannot be used."),
    "limit_answers": _("Answer limit reached."),
    "limit_money": _("Cost limit reached."),
    "limit_tokens": _("Token limit reached."),
}

# Why an act in a chat is not possible.
CHAT = {
    "asked_enough": _("No more model attempts for this message. Write a better answer."),
    "bad_unicode": _("The text contains a character that cannot be stored."),
    "busy": _("The models are still answering your other messages. Wait for them."),
    "closed": _("This dataset is closed for now."),
    "full": _("This chat has reached its limit. Start a new one."),
    "importing": _("A file with this text is being imported. Try again later."),
    "no_model": _("The model of this chat no longer exists. An admin can choose another one."),
    "not_its_turn": _("The chat continued elsewhere, perhaps in another tab. Your text is kept below."),
    "nothing_said": _("Write something first."),
    "paused": _("You are paused on this dataset. An admin can resume you."),
    "practice": _("Complete the qualification first."),
    "said_before": _("You already sent something else here, perhaps in another tab. Your text is kept below."),
    "too_long": _("The message is too long."),
}

# Why feedback of a product is refused; further reasons are those of rows.
FEEDBACK = {
    "closed": _("The dataset is closed: it accepts no more feedback."),
    "importing": _("An import with one of these texts is running or being undone. Send it again later."),
    "list_too_long": _("A list has at most 1,000 items."),
    "not_one_act": _("Send exactly one of choice, stars, thumb and edit."),
    "other_body": _("This key was used before with different content."),
    "too_many_requests": _("Too many requests. Try again later."),
    "unknown_field": _("Unknown field."),
    "wrong_count": _("A choice needs two answers, a thumb one; stars need one value per answer."),
}

# The pickers of policies.
PICKERS = {
    "counts": _("counts: how often people preferred answers with the same words"),
    "predictor": _("predictor: a preference model on words and formatting"),
}

# Why a policy uses its picker.
WHY_PICKER = {
    "nothing": _("No preferences yet, so the first answer stays."),
    "too_few": _(
        "Too few preferences to hold any out. The picker counts how often people preferred answers "
        "with the same words; no probability is shown."
    ),
    "simpler": _("The predictor does no better than counting on held-out preferences, so counting is used."),
    "best": _("It predicts held-out preferences better than counting does."),
    "chosen": _("Chosen in the settings."),
}

# Why a policy cannot answer.
POLICY = {
    "no_model": _("No model answers here. Choose one for the policy or the chat."),
}


def explain_policy_failure(reason: str) -> str:
    """Why a policy did not answer. reason: of NoAnswer."""
    return str(POLICY.get(reason) or FAILED.get(reason) or MODEL.get(reason) or FAILED["no_answer"])


def explain_refusal(reason: str) -> str:
    """Why a prompt is refused. reason: of datasets.formats.rows.Refusal."""
    return str(dataset_reasons.REFUSED.get(reason, reason))


# Why a pick has no chance beside it.
NO_CHANCE = {
    "few_choices": _("Too few preferences to estimate a win probability."),
    "not_covered": _("No judgments on similar prompts: the first answer stays."),
    "same": _("No answer is expected to beat the first one."),
}
