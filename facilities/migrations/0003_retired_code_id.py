"""A retired code gets a number of its own, as every audited row has: the audit trail names rows by number.

The table is made anew: nothing has written to it before this migration.
"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("facilities", "0002_place_inside_place")]
    operations = [
        migrations.DeleteModel("RetiredCode"),
        migrations.CreateModel(
            name="RetiredCode",
            fields=[
                ("retired_code_id", models.BigAutoField(primary_key=True, serialize=False)),
                ("retired_code", models.CharField(max_length=50, unique=True)),
                ("retired_at", models.DateTimeField(auto_now_add=True)),
                (
                    "facility",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="retired_codes",
                        to="facilities.facility",
                    ),
                ),
            ],
            options={"db_table": "retired_codes"},
        ),
    ]
