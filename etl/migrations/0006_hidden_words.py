from django.db import migrations

from etl.sealing import hide_words_in


def hide(apps, schema_editor):
    """Take the words of confidential places out of findings that an earlier version kept."""
    versions = apps.get_model("etl", "SourceRecordVersion").objects
    runs = apps.get_model("etl", "ImportRun").objects
    hide_words_in(versions.filter(source_record__facility__is_confidential=True), runs.all())


class Migration(migrations.Migration):

    dependencies = [
        ("etl", "0005_reasons"),
        ("facilities", "0006_sealed_details"),
    ]

    operations = [migrations.RunPython(hide, migrations.RunPython.noop)]
