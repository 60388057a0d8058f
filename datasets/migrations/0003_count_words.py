from django.db import migrations

from datasets.text.reading_time import count_prompt_words, count_words

AT_ONCE = 500


def count(apps, schema_editor):
    """Count the words of what is there, a few rows at a time."""
    prompts, responses, comparisons = (
        apps.get_model("datasets", name).objects for name in ("Prompt", "Response", "Comparison")
    )
    for rows, counted in ((prompts, count_prompt_words), (responses, lambda response: count_words(response.text))):
        for some in batches(rows.defer("html")):
            for row in some:
                row.words = counted(row)
            rows.bulk_update(some, ["words"])
    for some in batches(comparisons):
        shown = {c.pk: [int(pk) for pk in c.key.split("-")] for c in some}
        ids = {pk for ids in shown.values() for pk in ids}
        of_response = dict(responses.filter(pk__in=ids).values_list("pk", "words"))
        of_prompt = dict(prompts.filter(pk__in={c.prompt_id for c in some}).values_list("pk", "words"))
        for comparison in some:
            read = sum(of_response.get(pk, 0) for pk in shown[comparison.pk])
            comparison.words = of_prompt[comparison.prompt_id] + read
        comparisons.bulk_update(some, ["words"])


def batches(rows):
    last = 0
    while some := list(rows.filter(pk__gt=last).order_by("pk")[:AT_ONCE]):
        last = some[-1].pk
        yield some


class Migration(migrations.Migration):
    dependencies = [("datasets", "0002_questions")]
    operations = [migrations.RunPython(count, migrations.RunPython.noop)]
