from django.db import migrations


class Migration(migrations.Migration):
    """The reason of a pair moves out of its features into a column of its own."""

    dependencies = [("etl", "0004_decisions")]

    operations = [
        migrations.RunSQL(
            "UPDATE duplicate_pairs SET reason = COALESCE(features->>'reason', ''), features = features - 'reason'"
            " WHERE jsonb_exists(features, 'reason')",
            migrations.RunSQL.noop,
        )
    ]
