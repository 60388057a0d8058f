from django.db import migrations


def repair(apps, schema_editor):
    """A clock that was set back has left times below zero; how long it really took nobody knows."""
    apps.get_model("datasets", "Judgment").objects.filter(seconds__lt=0).update(seconds=0)


class Migration(migrations.Migration):
    dependencies = [("annotate", "0006_sessions_ended"), ("datasets", "0014_reviewers")]
    operations = [migrations.RunPython(repair, migrations.RunPython.noop)]
