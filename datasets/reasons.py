"""The texts that users see for codes: why a row or file is refused, why a choice is left out of an export, and more."""

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from datasets.files.item import FileProblem

REFUSED = {
    "bad_json": _("This is not valid JSON."),
    "bad_unicode": _("The text holds a character that cannot be stored (NUL or half of a surrogate pair)."),
    "empty_answer": _("The answer is empty."),
    "empty_prompt": _("The prompt is empty."),
    "empty_turn": _("An earlier turn is empty."),
    "ends_with_assistant": _("The prompt ends with the assistant; it must end with the user."),
    "ends_with_user": _("The conversation ends with the user; the answer is missing."),
    "left_out": _("Left out by whoever stored the others."),
    "lengths_differ": _("There are not as many names of models as answers."),
    "missing_field": _("This field is missing."),
    "name_too_long": _("The name is too long; at most 200 characters are kept."),
    "no_known_answer": _("The row is marked as gold, but states no verdict that could be the known answer."),
    "no_user_turn": _("The conversation has no turn of the user."),
    "not_a_dialogue": _("This is not a dialogue of “Human:” and “Assistant:”."),
    "not_a_list": _("A list is expected here."),
    "not_a_message": _("A message with a role and a content is expected here."),
    "not_a_pair": _("A pair of user turn and answer is expected here."),
    "not_alternating": _("User and assistant must take turns, the user first."),
    "not_an_object": _("The row is not an object with named fields."),
    "not_one_answer": _("One message of the assistant is expected here."),
    "not_text": _("A text is expected here."),
    "null_text": _("There is null where a text is expected."),
    "off_scale": _("This is none of the numbers or words that may stand here."),
    "other_verdict": _("The same person said otherwise of the same two answers before."),
    "picture": _("Pictures, sound and video cannot be judged here yet."),
    "prompts_differ": _("The two sides do not share the same prompt."),
    "ragged_row": _("The row has another number of cells than the header."),
    "reasoning": _("Reasoning beside an answer cannot be kept here yet."),
    "row_too_long": _("The row is too long."),
    "same_answer": _("The two answers are the same text: there is nothing to choose."),
    "score_contradicts": _("The chosen answer has a lower score than the rejected one."),
    "second_header": _("This is a second header."),
    "steps": _("The answers are the steps of one answer, each with a label; steps cannot be compared."),
    "system_not_first": _("The system text must come first."),
    "too_deep": _("The row is nested too deeply."),
    "too_few_answers": _("There are fewer than two answers."),
    "tools": _("Tools and tool calls cannot be kept here yet."),
    "too_many_answers": _("There are more answers in one judgment than anybody reads."),
    "turns_differ": _("There are not as many answers as turns of the user."),
    "two_systems": _("The row has two different system texts."),
    "unknown_role": _("This role is not known; user, assistant and system are."),
    "unknown_winner": _("The winner names none of the answers."),
    "zero_weight": _("The weight of the row is 0."),
}

FILE = {
    "bad_json": _("The file is not valid JSON."),
    "bad_parquet": _("The Parquet file is damaged, or holds what cannot be read."),
    "bad_table": _("The table cannot be read, as after a quotation mark that is never closed."),
    "bad_xlsx": _("The .xlsx file is damaged, or protected by a password."),
    "by_columns": _('This JSON is by columns. Write it by rows, in pandas with orient="records", lines=True.'),
    "counting": _("It is not clear what the numbers of the winner column count from."),
    "cut_off": _("The file ends in the middle: the array is not closed."),
    "cut_off_gzip": _("The .gz file is damaged or cut off."),
    "duplicate_column": _("A column's name stands twice in the header."),
    "empty_file": _("The file is empty."),
    "labels": _("The labels are not all good or bad."),
    "no_such_column": _("The file has no such column."),
    "no_rows": _("No row of the file could be read."),
    "not_text": _("This is not a text file."),
    "row_too_long": _("A row is too long."),
    "rows_within": _("The rows are in a list within the document. Save that list as the file."),
    "sign": _("It is not clear what the signs of the winner column say."),
    "swells": _("The .gz file swells to many times its size, as no text does."),
    "too_deep": _("A row is nested too deeply."),
    "too_many_columns": _("The table has more columns than a spreadsheet can have, which are 16,384."),
    "too_packed": _("The file unpacks to many times its size, as no table does."),
    "unknown_file": _("This is neither JSON Lines, a JSON array, CSV nor TSV."),
    "unknown_shape": _("The fields are none of a known shape; docs/formats.md lists them."),
    "utf16": _("The file is UTF-16; save it as UTF-8."),
}

MAPPING = {
    "column_twice": _("One column is said to be two things."),
    "half_a_pair": _("The better and the worse answer go together: one of the two is missing."),
    "no_effect": _("A column has a role that changes nothing here."),
    "no_prompt": _("No column is the prompt."),
    "one_answer": _("Numbered answers are two at least; a single one is named otherwise."),
    "role_twice": _("Two columns are said to be the same thing."),
    "two_kinds": _("The answers are said to be of two kinds: several in a row, one in a row, or two already judged."),
    "unknown_count": _("There is no such way to name the better answer."),
    "unknown_role": _("There is nothing of this name that a column may be."),
    "unknown_verdict": _("A value means the number of an answer, a tie, both bad or no verdict."),
    "winner_of_nothing": _("Which answer is better can be said of several answers in a row only."),
}

UNSURE = {
    "counting": _("It is not sure what the numbers of the better answer count from."),
    "one_answer": _("It is not sure whether the answers are to be compared or to learn from."),
    "labels": _("Not all labels say that an answer is good or bad."),
    "no_such_column": _("The file lacks a column of its saved mapping."),
    "pointer": _("It is not sure whether “chosen” holds an answer or only names one."),
    "said": _("Somebody has said before what these columns are. Whatever you say now holds from now on."),
    "sign": _("It is not sure what the signs of the numbers say."),
    "unknown_shape": _("The fields are none of a known shape."),
    "unread": _("Columns that may bear on learning are not read. Say what they are, or give them up."),
    "verdict": _("It is not sure which answer the verdicts name."),
}

LEFT_OUT = {
    "balance": _("more of the longer or of the shorter answers"),
    "few_votes": _("too few judgments of the pair"),
    "flagged": _("flagged comparisons"),
    "tag": _("prompts without the tags asked for"),
    "annotator": _("by people who were not asked for"),
    "both_bad": _("both answers bad"),
    "date": _("outside the dates"),
    "decided": _("votes that a reviewer's decision stands in place of"),
    "undecided": _("votes on what no reviewer decided"),
    "low_agreement": _("too little agreement"),
    "merged": _("merged into a row that stands"),
    "needs_history": _("the dialect has no place for earlier turns"),
    "needs_system": _("the dialect has no place for a system text"),
    "no_choice": _("judgments that state no choice"),
    "not_alternating": _("the dialect needs turns that alternate"),
    "other_label": _("against the label from a file"),
    "outvoted": _("outvoted by the majority"),
    "paused": _("by people who are paused"),
    "rank_policy": _("not asked for of an order"),
    "same_answer": _("the two answers differ in blanks only"),
    "several_turns": _("the dialect has no place for answers of several turns"),
    "split": _("as many for one as for the other"),
    "tie": _("ties"),
    "weak": _("below the strength asked for"),
}

KINDS = {
    "candidates": _("answers to compare"),
    "judged": _("judged pairs"),
    "demonstration": _("demonstrations"),
    "prompt": _("prompts without answers"),
}

CANNOT_UNDO = {
    "busy": _("Another import into this dataset is being stored. Try again when it is done."),
    "judged": _("People have judged what this import brought, or have it in hand: it stays."),
    "not_stored": _("This import is not stored."),
    "used": _("A later import builds on this one: undo that first."),
}

CANNOT_MAKE_GOLD = {
    "held": _("The comparison is flagged or left out: decide that first."),
    "is_gold": _("The answer to this comparison is known already."),
    "nothing_said": _("This judgment says nothing of which answer is better."),
}

CANNOT_SAVE = {
    "answer_gone": _("Somebody else has taken an answer away in the meantime. Load the page again."),
    "answer_judged": _("An answer that people have judged, or have in hand, cannot be changed or taken away."),
    "answer_twice": _("The same answer of the same source stands there twice."),
    "prompt_exists": _("This dataset has the same prompt already."),
    "prompt_judged": _("People have judged answers to this prompt, or have them in hand: it cannot be changed."),
}

JOB = {
    "disk_full": _("The server's disk is full. Nothing was half stored; try again when there is room."),
    "files_gone": _("The files are gone; upload them again."),
    "gave_up": _("Three workers began this and were stopped; it is not tried again."),
    "import_gone": _("The import is not there any more."),
    "unexpected": _("Something went wrong that nobody foresaw; the log has it. Nothing was half stored."),
}

# Why a text is shown as plain text (Prompt.plain, Response.plain).
PLAIN = {
    "time": _("rendering took too long"),
    "memory": _("rendering took too much memory"),
    "long": _("too long to render"),
}

TASKS = {
    "check": _("Checking files"),
    "store": _("Storing rows"),
    "bundle": _("Making a bundle"),
    "analysis": _("Computing the report"),
    "push": _("Pushing to the Hub"),
    "rows": _("Storing rows of a script"),
    "review": _("Seeing what reviewers decide"),
    "generate": _("Asking models"),
    "try": _("Trying a model"),
    "probe": _("Checking a server"),
}

HUB = {
    "bad_name": _("That is no name of a repository; it reads organisation/name."),
    "conflict": _("Somebody else is changing the repository. Push again."),
    "forbidden": _("The token may not write there: it lacks the right, or its owner is not of that organisation."),
    "is_public": _("The repository is public, and this was not to be. Tick “public”, or name another repository."),
    "no_token": _("There is no token: give one, or set HF_TOKEN where the worker runs."),
    "not_installed": _("The extra for it is not installed where the worker runs: docs/bundles.md."),
    "not_there": _("There is no such organisation or repository, or the token may not see it."),
    "odd_answer": _("What answers at that address does not speak as the Hub does."),
    "offline": _("HF_HUB_OFFLINE is set where the worker runs: nothing is sent."),
    "out_of_order": _("The Hub is out of order, or has too much to do. Push again later."),
    "refused": _("The Hub refuses it."),
    "token_gone": _("The token cannot be read any more: it is kept for a day, under one SECRET_KEY. Push again."),
    "token_refused": _("The token was refused: it is wrong, or does not work any more."),
    "unreachable": _("The Hub cannot be reached."),
}

WARNINGS = {
    "control_tokens": _("texts with tokens of a chat template, such as <|im_end|>"),
    "cut_off": _("answers that seem cut off"),
    "dialogue": _("prompts that look like a whole dialogue in one text"),
    "keys": _("texts with keys: API keys, access tokens, private keys"),
    "known": _("prompts on the list of known prompts"),
    "names_model": _("answers that name a model or its maker: people would know whose they are"),
    "near_answers": _("nearly equal answers to one prompt"),
    "near_prompts": _("prompts that are nearly the same as another"),
    "personal_data": _("texts with personal data: e-mail addresses, phone numbers, ID or account numbers"),
    "placeholder": _("texts that stand for a picture, video or sound that is not there, such as <image>"),
    "repeats_prompt": _("answers that begin with the prompt"),
    "same_answers": _("equal answers to one prompt"),
    "stored": _("rows that are stored already"),
    "thinking": _("texts with the reasoning of a model between tags, such as <think>"),
    "turn_weight": _("turns with weight 0: an export trains on them all the same"),
}


def format_file_problem(problem: "FileProblem") -> str:
    """The message about a file, with its detail."""
    return f"{FILE[problem.code]} ({problem.detail})" if problem.detail else str(FILE[problem.code])
