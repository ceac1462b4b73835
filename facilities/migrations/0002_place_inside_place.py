"""A facility's constituency lies in its county and its ward in its constituency: composite foreign keys.

Django's models know no composite foreign key, so the database is told here. MATCH SIMPLE: an empty level is not checked.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("facilities", "0001_initial"), ("geography", "0001_initial")]
    operations = [
        migrations.RunSQL(
            """
            ALTER TABLE facilities ADD CONSTRAINT facility_constituency_in_county
                FOREIGN KEY (constituency_id, county_id) REFERENCES constituencies (constituency_id, county_id);
            ALTER TABLE facilities ADD CONSTRAINT facility_ward_in_constituency
                FOREIGN KEY (ward_id, constituency_id) REFERENCES wards (ward_id, constituency_id);
            """,
            """
            ALTER TABLE facilities DROP CONSTRAINT facility_constituency_in_county;
            ALTER TABLE facilities DROP CONSTRAINT facility_ward_in_constituency;
            """,
        ),
    ]
