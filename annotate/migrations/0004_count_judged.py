from django.db import migrations
from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import Coalesce


def count(apps, schema_editor):
    memberships, judgments = apps.get_model("annotate", "Membership"), apps.get_model("datasets", "Judgment")
    theirs = judgments.objects.filter(
        annotator=OuterRef("user"), dataset=OuterRef("dataset"), state__in=["saved", "reopened"]
    )
    counted = theirs.order_by().values("annotator").annotate(n=Count("pk")).values("n")
    memberships.objects.update(judged=Coalesce(Subquery(counted), 0))


class Migration(migrations.Migration):
    dependencies = [("annotate", "0003_questions"), ("datasets", "0003_count_words")]
    operations = [migrations.RunPython(count, migrations.RunPython.noop)]
