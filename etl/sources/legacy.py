"""What `migrate_sqlite` brought: facilities of a legacy database, kept in the form of an export.

No file is imported as this source. It is believed last: what any list says wins,
and it fills what they leave open.
"""

from dataclasses import replace

from etl.sources import canonical

SOURCE = replace(canonical.SOURCE, name="legacy", type="legacy_registry", precedence=9)
