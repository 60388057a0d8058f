from django.db import migrations, models


def first_versions(apps, schema_editor):
    """A guideline that is there already becomes version 1, dated as its dataset: when it was written nobody knows.
    Judgments made until now keep 0, before versions."""
    Dataset, Guideline = apps.get_model("datasets", "Dataset"), apps.get_model("datasets", "Guideline")
    for pk in list(Dataset.objects.filter(guideline_number=0).values_list("pk", flat=True)):
        dataset = Dataset.objects.get(pk=pk)
        criteria = [
            {"name": one["name"], "guideline": one["guideline"]} for one in dataset.criteria if one.get("guideline")
        ]
        if not (dataset.guideline or criteria):
            continue
        text = dataset.guideline.replace("\r\n", "\n")
        made = Guideline.objects.create(dataset=dataset, number=1, text=text, criteria=criteria)
        Guideline.objects.filter(pk=made.pk).update(made_at=dataset.created_at)
        Dataset.objects.filter(pk=dataset.pk).update(guideline_number=1)


class Migration(migrations.Migration):
    dependencies = [("datasets", "0012_mappings")]
    operations = [
        migrations.AlterField(
            model_name="change",
            name="kind",
            field=models.CharField(
                choices=[
                    ("setting", "setting"),
                    ("guideline", "guideline"),
                    ("member", "member"),
                    ("judgment", "judgment"),
                    ("gold", "known answer"),
                    ("person", "person"),
                    ("flag", "flag"),
                    ("import", "import"),
                    ("dataset", "dataset"),
                ],
                max_length=10,
            ),
        ),
        migrations.RunPython(first_versions, migrations.RunPython.noop),
    ]
