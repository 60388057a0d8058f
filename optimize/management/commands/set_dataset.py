import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.forms import BooleanField, model_to_dict

from annotate.settings_forms import FIELDS, FORMS, build_form_data
from annotate.task_setup import build_copied_values, build_template_values
from annotate.task_templates import UnknownTemplate, list_templates
from datasets.cli import find_dataset, format_form_errors
from datasets.models import Dataset
from optimize.forms import ChatSettingsForm
from optimize.models import ChatSettings

CHAT = {  # {option: field of ChatSettingsForm}
    "chat": "names",
    "chat_answers": "answers",
    "chat_leaders": "leaders",
    "chat_to_queue": "to_queue",
    "chat_names": "show_names",
    "chat_days": "keep_days",
}


class Command(BaseCommand):
    help = (
        "Change settings of a dataset; settings without an option stay unchanged. Boolean settings take yes or no; "
        "criteria, chips and annotators take one entry per line. --task and --copy-task set the question, its options, "
        "the criteria, the reasons and the guideline; options given with them win."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="short name of the dataset")
        for name, field in FIELDS.items():
            parser.add_argument(format_option(name), metavar="VALUE", help=str(field.label).replace("%", "%%"))
        names = ", ".join(template.name for template in list_templates())
        task = parser.add_mutually_exclusive_group()
        task.add_argument("--task", metavar="NAME", help=f"set up the task of a template: {names}")
        task.add_argument("--copy-task", metavar="SLUG", help="set up the task as another dataset has it")
        parser.add_argument("--language", metavar="CODE", default="en", help="of the template's texts: en, zh-hans")
        parser.add_argument("--chat", nargs="*", metavar="NAME", help="models that answer in the chat; none: no chat")
        parser.add_argument("--chat-answers", choices=["1", "2"], help="answers for each message; 1 is given stars")
        parser.add_argument("--chat-leaders", choices=["yes", "no"], help="draw the leading models more often")
        parser.add_argument("--chat-to-queue", choices=["yes", "no"], help="others judge the answers of chats too")
        parser.add_argument("--chat-names", choices=["yes", "no"], help="show the models' names after a chat")
        parser.add_argument("--chat-days", metavar="N", help="days that chats are kept; 0: until deleted by hand")

    def handle(self, slug: str, **options: Any) -> None:
        dataset = find_dataset(slug)
        chat = build_chat_form(dataset, options)
        named = {name: parse_value(name, options[name]) for name in FIELDS if options.get(name) is not None}
        changes = {**build_task_values(**options), **named}
        forms = [form(build_form_data(form(instance=dataset), changes), instance=dataset) for form in FORMS]
        if wrong := [format_form_errors(form) for form in forms if form.errors]:
            raise CommandError("; ".join(wrong), returncode=2)
        for form in forms:
            form.save()
        if chat:
            chat.save_by()
        stands = {name: value for name, value in model_to_dict(dataset, FIELDS).items() if name != "annotators"}
        people = [person.username for person in dataset.annotators.order_by("username")]
        names = ChatSettings.objects.filter(dataset=dataset).values_list("names", flat=True).first() or []
        summary = {"dataset": slug, **stands, "annotators": people, "chat": names}
        self.stdout.write(json.dumps(summary, ensure_ascii=False))


def build_task_values(task: str | None, copy_task: str | None, language: str, **_others: Any) -> dict[str, Any]:
    """The form values of a template, or of the task of another dataset; none without either option.

    Raises CommandError with what there is if it is unknown.
    """
    try:
        if task is not None:
            return build_template_values(task, language)
    except UnknownTemplate as unknown:
        raise CommandError(str(unknown), returncode=2) from None
    return {} if copy_task is None else build_copied_values(find_dataset(copy_task))


def build_chat_form(dataset: Dataset, options: dict[str, Any]) -> ChatSettingsForm | None:
    """The valid form of the chat's settings with the changes of the options; None without any. Raises CommandError."""
    given = {field: options[option] for option, field in CHAT.items() if options.get(option) is not None}
    if not given:
        return None
    stored = ChatSettings.objects.filter(dataset=dataset).first() or ChatSettings(dataset=dataset)
    values = {**model_to_dict(stored, CHAT.values()), **given}
    for field in ("leaders", "to_queue", "show_names"):
        values[field] = values[field] in (True, "yes")
    values["keep_days"] = None if values["keep_days"] in ("0", None) else values["keep_days"]
    form = ChatSettingsForm(values, instance=stored)
    if form.errors:
        raise CommandError(f"--chat: {format_form_errors(form)}", returncode=2)
    return form


def format_option(name: str) -> str:
    """The command-line option of a setting."""
    return f"--{name.replace('_', '-')}"


def parse_value(name: str, text: str) -> str | bool:
    """The form value of an option. Raises CommandError if a Boolean is neither yes nor no."""
    if not isinstance(FIELDS[name], BooleanField):
        return text
    if text not in ("yes", "no"):
        raise CommandError(f"{format_option(name)}: yes or no", returncode=2)
    return text == "yes"
