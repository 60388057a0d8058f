from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("datasets", "0025_judgment_draft"),
    ]

    operations = [
        migrations.AddField(
            model_name="dataset",
            name="spans",
            field=models.BooleanField(default=False, verbose_name="let annotators highlight parts of an answer"),
        ),
        migrations.AddField(
            model_name="dataset",
            name="span_labels",
            field=models.JSONField(blank=True, default=list, verbose_name="highlight labels"),
        ),
        migrations.AlterField(
            model_name="judgment",
            name="said",
            field=models.JSONField(
                blank=True,
                default=dict,
                help_text="What the form said besides: ranks, stars, criteria, reasons, reason, note, spans",
            ),
        ),
    ]
