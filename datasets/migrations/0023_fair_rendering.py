from django.db import migrations, models

VERSION = "datasets.text.markdown.VERSION of the HTML"


class Migration(migrations.Migration):
    """How answers are shown, the version of stored HTML, and the reasoning beside an answer."""

    dependencies = [("datasets", "0022_hourly_rate")]

    operations = [
        migrations.AddField(
            model_name="dataset",
            name="show_answers",
            field=models.CharField(
                choices=[("rendered", "Rendered"), ("raw", "Raw text")],
                default="rendered",
                max_length=10,
                verbose_name="show answers as",
            ),
        ),
        migrations.AddField(
            model_name="dataset",
            name="show_reasoning",
            field=models.CharField(
                choices=[("show", "Show"), ("fold", "Fold"), ("hide", "Hide")],
                default="fold",
                max_length=10,
                verbose_name="reasoning",
            ),
        ),
        migrations.AddField(
            model_name="prompt",
            name="rendering",
            field=models.PositiveSmallIntegerField(help_text=VERSION, null=True),
        ),
        migrations.AddField(
            model_name="response",
            name="reasoning",
            field=models.TextField(help_text="What the model thought before this text", null=True),
        ),
        migrations.AddField(
            model_name="response",
            name="rendering",
            field=models.PositiveSmallIntegerField(help_text=VERSION, null=True),
        ),
        migrations.AlterField(
            model_name="response",
            name="html",
            field=models.TextField(help_text="Both as rendered at the first showing", null=True),
        ),
    ]
