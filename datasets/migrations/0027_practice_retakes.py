import django.core.validators
from django.db import migrations, models


def build_field(default):
    return models.PositiveSmallIntegerField(
        blank=True,
        default=default,
        null=True,
        validators=[django.core.validators.MaxValueValidator(100)],
        verbose_name="qualification retakes (max.)",
    )


class Migration(migrations.Migration):
    """Datasets that exist keep having no limit."""

    dependencies = [("datasets", "0026_spans")]
    operations = [
        migrations.AddField("dataset", "practice_retakes", build_field(None)),
        migrations.AlterField("dataset", "practice_retakes", build_field(2)),
    ]
