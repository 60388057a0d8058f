from django.db import migrations


def forget(apps, schema_editor):
    """The headings of texts are rendered in another way: forget the HTML that was kept."""
    for name in ("Prompt", "Response"):
        apps.get_model("datasets", name).objects.exclude(html=None).update(html=None)


class Migration(migrations.Migration):
    dependencies = [("datasets", "0004_in_hand")]
    operations = [migrations.RunPython(forget, migrations.RunPython.noop)]
