from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("annotate", "0005_trust")]
    operations = [
        migrations.AddField(model_name="user", name="sessions_ended", field=models.PositiveIntegerField(default=0))
    ]
