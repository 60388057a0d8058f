"""The texts that users see for codes: why a row or file is refused, why a choice is left out of an export, and more."""

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from datasets.files.item import FileProblem

REFUSED = {
    "bad_json": _("This is not valid JSON."),
    "bad_unicode": _("The text contains a character that cannot be stored (NUL or an unpaired surrogate)."),
    "empty_answer": _("The answer is empty."),
    "empty_prompt": _("The prompt is empty."),
    "empty_turn": _("A previous turn is empty."),
    "ends_with_assistant": _("The prompt ends with the assistant; it must end with the user."),
    "ends_with_user": _("The conversation ends with the user; the answer is missing."),
    "left_out": _("Excluded by the person who imported the other rows."),
    "lengths_differ": _("The number of model names differs from the number of answers."),
    "missing_field": _("This field is missing."),
    "name_too_long": _("The name is too long; at most 200 characters."),
    "no_known_answer": _("The row is marked as gold but has no verdict to serve as the expected answer."),
    "no_user_turn": _("The conversation has no user turn."),
    "not_a_dialogue": _("This is not a dialogue of “Human:” and “Assistant:”."),
    "not_a_list": _("A list is expected here."),
    "not_a_message": _("A message with role and content is expected here."),
    "not_a_pair": _("A pair of user message and answer is expected here."),
    "not_alternating": _("User and assistant must alternate, user first."),
    "not_an_object": _("The row is not an object with named fields."),
    "not_one_answer": _("One assistant message is expected here."),
    "not_text": _("Text is expected here."),
    "null_text": _("Text is expected, but the value is null."),
    "off_scale": _("This is not one of the accepted numbers or words."),
    "other_verdict": _("The same annotator gave a different verdict on the same two answers earlier."),
    "picture": _("Images, audio and video are not supported yet."),
    "prompts_differ": _("The two sides have different prompts."),
    "ragged_row": _("The number of cells differs from the header."),
    "reasoning": _("Reasoning in a field of its own is not supported yet."),
    "row_too_long": _("The row is too long."),
    "same_answer": _("The two answers are identical: there is nothing to choose."),
    "score_contradicts": _("The chosen answer has a lower score than the rejected one."),
    "second_header": _("Repeated header."),
    "steps": _("The answers are labelled steps of one answer; steps cannot be compared."),
    "system_not_first": _("The system text must come first."),
    "too_deep": _("The row is nested too deeply."),
    "too_few_answers": _("There are fewer than two answers."),
    "tools": _("Tools and tool calls are not supported yet."),
    "too_many_answers": _("Too many answers in one judgment."),
    "turns_differ": _("The number of answers differs from the number of user turns."),
    "two_systems": _("The row has two different system texts."),
    "unknown_role": _("Unknown role; expected user, assistant or system."),
    "unknown_winner": _("The winner is not one of the answers."),
    "zero_weight": _("The weight of the row is 0."),
}

FILE = {
    "bad_json": _("The file is not valid JSON."),
    "bad_parquet": _("The Parquet file is damaged or contains unsupported values."),
    "bad_table": _("The table cannot be parsed; a quotation mark may be unclosed."),
    "bad_xlsx": _("The .xlsx file is damaged or password-protected."),
    "by_columns": _('The JSON is column-oriented. Write it row by row; in pandas: orient="records", lines=True.'),
    "counting": _("It is unclear whether the numbers in the winner column count from 0 or 1."),
    "cut_off": _("The file is cut off: the array is not closed."),
    "cut_off_gzip": _("The .gz file is damaged or cut off."),
    "duplicate_column": _("The header has a duplicate column name."),
    "empty_file": _("The file is empty."),
    "labels": _("Not all labels mean good or bad."),
    "no_such_column": _("The file does not have this column."),
    "no_rows": _("No row of the file could be read."),
    "not_text": _("This is not a text file."),
    "row_too_long": _("A row is too long."),
    "rows_within": _("The rows are in a list inside the document. Save that list as the file."),
    "sign": _("It is unclear what the signs in the winner column mean."),
    "swells": _("The .gz file expands too much to be text."),
    "too_deep": _("A row is nested too deeply."),
    "too_many_columns": _("The table has more columns than a spreadsheet can have (16,384)."),
    "too_packed": _("The file expands too much to be a table."),
    "unknown_file": _("The file is not JSON Lines, a JSON array, CSV or TSV."),
    "unknown_shape": _("The fields match no known format. Map the columns, or see “Formats” under Help."),
    "utf16": _("The file is UTF-16; save it as UTF-8."),
}

MAPPING = {
    "column_twice": _("One column has two roles."),
    "half_a_pair": _("Better and worse answer go together: one of them is missing."),
    "no_effect": _("A column has a role that has no effect here."),
    "no_prompt": _("No column is mapped to the prompt."),
    "one_answer": _("Numbered answers need at least two columns; map a single one differently."),
    "role_twice": _("Two columns have the same role."),
    "two_kinds": _(
        "The answers are mapped in more than one way: several per row, one per row, or two with a verdict. Choose one."
    ),
    "unknown_count": _("Unknown way to name the better answer."),
    "unknown_role": _("Unknown column role."),
    "unknown_verdict": _("A value maps to the number of an answer, a tie, both bad or no verdict."),
    "winner_of_nothing": _("A better answer can be named only with several answers per row."),
}

UNSURE = {
    "counting": _("It is unclear whether the numbers of the better answer count from 0 or 1."),
    "one_answer": _("It is unclear whether the answers are for comparison or for training (SFT)."),
    "labels": _("Not all labels say whether an answer is good or bad."),
    "no_such_column": _("The file lacks a column of its saved mapping."),
    "pointer": _("It is unclear whether “chosen” holds an answer or only names one."),
    "said": _("These columns were mapped before. The new mapping replaces the old one."),
    "sign": _("It is unclear what the signs of the numbers mean."),
    "unknown_shape": _("The fields match no known format."),
    "unread": _("Columns that may matter for training are not read. Map or ignore them."),
    "verdict": _("It is unclear which answer the verdicts refer to."),
}

LEFT_OUT = {
    "balance": _("length balancing"),
    "few_votes": _("too few votes on the pair"),
    "flagged": _("flagged comparisons"),
    "tag": _("prompts without these tags"),
    "annotator": _("by other annotators"),
    "both_bad": _("both answers bad"),
    "date": _("outside the dates"),
    "decided": _("votes overridden by a review decision"),
    "undecided": _("votes on items without a review decision"),
    "low_agreement": _("too little agreement"),
    "merged": _("duplicates of a kept row"),
    "needs_history": _("the format has no place for previous turns"),
    "needs_system": _("the format has no place for a system text"),
    "no_choice": _("judgments or chats without a preference"),
    "not_alternating": _("the format needs alternating turns"),
    "other_label": _("contradicts the imported label"),
    "outvoted": _("minority vote"),
    "paused": _("by paused annotators"),
    "rank_policy": _("other pairs of a ranking"),
    "same_answer": _("the two answers differ in whitespace only"),
    "several_turns": _("the format has no place for multi-turn answers"),
    "split": _("split vote"),
    "tie": _("ties"),
    "weak": _("below the min. strength"),
}

KINDS = {
    "candidates": _("answers to compare"),
    "judged": _("judged pairs"),
    "demonstration": _("demonstrations (SFT)"),
    "prompt": _("prompts without answers"),
}

CANNOT_UNDO = {
    "busy": _("Another import into this dataset is running. Try again when it is done."),
    "judged": _("Comparisons of this import are judged or in progress, so it cannot be undone."),
    "not_stored": _("This import is not finished."),
    "used": _("A later import builds on this one: undo that first."),
}

CANNOT_MAKE_GOLD = {
    "held": _("The comparison is flagged or excluded: decide that first."),
    "is_gold": _("This comparison is a gold question already."),
    "nothing_said": _("This judgment does not say which answer is better."),
    "other_answer": _("The best answer must be one of the comparison's answers."),
}

CANNOT_SAVE = {
    "answer_gone": _("Someone removed an answer in the meantime. Reload the page."),
    "answer_judged": _("An answer with judgments or in progress cannot be changed or removed."),
    "answer_twice": _("The same answer from the same source appears twice."),
    "prompt_exists": _("This dataset already has the same prompt."),
    "prompt_judged": _("Answers to this prompt have judgments or are in progress: the prompt cannot be changed."),
}

JOB = {
    "disk_full": _("The server's disk is full. No partial data was stored; try again when there is space."),
    "files_gone": _("The files no longer exist; upload them again."),
    "gave_up": _("Three workers were stopped during this job; it will not be retried."),
    "import_gone": _("The import no longer exists."),
    "unexpected": _("Unexpected error; see the log. No partial data was stored."),
}

# Why a text is shown as plain text (Prompt.plain, Response.plain).
PLAIN = {
    "time": _("rendering took too long"),
    "memory": _("rendering took too much memory"),
    "long": _("too long to render"),
}

# Why an act on many prompts left some as they are, see datasets/prompts/bulk.py.
LEFT_PROMPTS = {
    "full": _("the prompt has reached the maximum number of tags."),
    "judged": _("it has been judged or handed out; hold it back instead."),
    "none_in_queue": _("none of its comparisons is in the queue."),
    "not_held": _("it is not held back."),
    "not_tagged": _("it does not have the tag."),
    "same_overlap": _("its comparisons already have this overlap, or it has none."),
    "tagged": _("it has the tag already."),
    "used": _("it is a gold question, or belongs to a chat or a policy."),
}

CANNOT_ACT = {
    "busy": _("Nothing was deleted: an import or another job is running in this dataset. Try again when it ends."),
    "too_many": _("Nothing was changed: more than %(most)s prompts match. Narrow the filters down."),
}

TASKS = {
    "check": _("Checking files"),
    "store": _("Storing rows"),
    "bundle": _("Creating a release"),
    "analysis": _("Computing the report"),
    "push": _("Pushing to the Hub"),
    "rows": _("Importing rows sent by a script"),
    "prompts": _("Changing prompts"),
    "review": _("Finding comparisons to review"),
    "chat": _("Answering in a chat"),
    "generate": _("Asking models"),
    "policy": _("Testing a policy"),
    "try": _("Testing a model"),
    "probe": _("Checking a server"),
}

HUB = {
    "bad_name": _("Not a repository name; use organisation/name."),
    "conflict": _("Someone else is changing the repository. Push again."),
    "forbidden": _(
        "The token may not write there: it lacks the scope, or its owner is not a member of the organisation."
    ),
    "is_public": _("The repository is public, but this push is private. Tick “public”, or use another repository."),
    "no_token": _("No token: enter one, or set HF_TOKEN for the worker."),
    "not_installed": _("The optional package is not installed for the worker; see “Releases” under Help."),
    "not_there": _("The organisation or repository does not exist, or the token cannot see it."),
    "odd_answer": _("The server at this address is not a Hub."),
    "offline": _("HF_HUB_OFFLINE is set for the worker: nothing is sent."),
    "out_of_order": _("The Hub is down or overloaded. Push again later."),
    "refused": _("The Hub rejected the push."),
    "token_gone": _(
        "The token can no longer be decrypted: it expires after a day, or when SECRET_KEY changes. Push again."
    ),
    "token_refused": _("The token was rejected: it is wrong or no longer valid."),
    "unreachable": _("The Hub cannot be reached."),
}

WARNINGS = {
    "control_tokens": _("texts with tokens of a chat template, such as <|im_end|>"),
    "cut_off": _("answers that seem truncated"),
    "dialogue": _("prompts that look like a whole dialogue"),
    "keys": _("texts with keys: API keys, access tokens, private keys"),
    "known": _("prompts on the list of known prompts"),
    "names_model": _("answers that reveal the model or its maker"),
    "near_answers": _("near-duplicate answers to one prompt"),
    "near_prompts": _("near-duplicate prompts"),
    "personal_data": _("texts with personal data: e-mail addresses, phone numbers, ID or account numbers"),
    "placeholder": _("texts with a placeholder for a missing image, video or audio, such as <image>"),
    "repeats_prompt": _("answers that begin with the prompt"),
    "same_answers": _("identical answers to one prompt"),
    "stored": _("rows already imported"),
    "thinking": _("answers with reasoning in tags, such as <think>"),
    "turn_weight": _("turns with weight 0: exports do not mask them"),
}


def format_file_problem(problem: "FileProblem") -> str:
    """The message about a file, with its detail."""
    return f"{FILE[problem.code]} ({problem.detail})" if problem.detail else str(FILE[problem.code])
