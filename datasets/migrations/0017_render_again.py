"""Forgets stored HTML, which lacks directions, formulas right after text and indentation. Pages render it again."""

from typing import Any

from django.db import migrations


def forget_html(apps: Any, _editor: Any) -> None:
    for name in ("Prompt", "Response"):
        rows = apps.get_model("datasets", name).objects.order_by()
        rows.filter(html__isnull=False).update(html=None, plain=None)


class Migration(migrations.Migration):
    dependencies = [("datasets", "0016_what_files_say")]

    operations = [migrations.RunPython(forget_html, migrations.RunPython.noop, elidable=True)]
