"""Moves the reasoning that came with an answer from the generation to the response, which pages show."""

from django.db import migrations

MOVE_SQL = """
    UPDATE datasets_response SET reasoning = (
      SELECT g.reasoning FROM optimize_generation g
      WHERE g.response_id = datasets_response.id AND g.reasoning <> '' ORDER BY g.id LIMIT 1)
    WHERE id IN (SELECT response_id FROM optimize_generation WHERE reasoning <> '')
"""


class Migration(migrations.Migration):
    dependencies = [("optimize", "0002_chat_feedback_policies"), ("datasets", "0023_fair_rendering")]

    operations = [
        migrations.RunSQL(MOVE_SQL, migrations.RunSQL.noop),
        migrations.RemoveField("generation", "reasoning"),
    ]
