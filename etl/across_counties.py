"""What stands in two counties and says that it is one place: found before the counties are matched one by one, never merged."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from itertools import batched

from django.db import connection
from django.db.models import Q

from etl.groups import Member, match_record, read_members, shared_contacts
from etl.lock import fenced
from etl.models import ImportRun, SourceRecord, SourceRecordVersion
from etl.pairs import Separations, read_separations, save_pairs
from etl.resilience import with_retries
from etl.stages.evidence import judge
from etl.stages.records import Pair, Reference, Verdict

State = SourceRecordVersion.State
AT_ONCE = 500  # pairs

# One national code in two counties: the first record of each county, so that a code on 1,000 records makes few pairs.
_BY_IDENTIFIER = """
WITH holders AS (
  SELECT identifier, county_code, min(r.source_record_id) AS record, bool_or(v.state = 'pending') AS is_new
  FROM source_records r JOIN source_record_versions v ON v.version_id = r.latest_version_id
  WHERE identifier <> '' AND county_code <> '' AND (v.state = 'pending' OR r.facility_id IS NOT NULL)
  GROUP BY identifier, county_code
)
SELECT fresh.record, other.record FROM holders fresh JOIN holders other USING (identifier)
WHERE fresh.is_new AND other.county_code <> fresh.county_code
"""
# One private contact in two counties.
_BY_CONTACT = """
WITH holders AS (
  SELECT r.source_record_id AS record, r.county_code, contact, v.state = 'pending' AS is_new
  FROM source_records r LEFT JOIN source_record_versions v ON v.version_id = r.latest_version_id,
    unnest(r.contact_indexes) AS contact
  WHERE county_code <> '' AND contact <> ALL(%s) AND (v.state = 'pending' OR r.facility_id IS NOT NULL)
)
SELECT DISTINCT fresh.record, other.record FROM holders fresh JOIN holders other USING (contact)
WHERE fresh.is_new AND other.county_code <> fresh.county_code
"""


def pair_across_counties(run: ImportRun, reference: Reference) -> None:
    """Put up for review what has one national code, or one name and one private phone, in two counties."""
    shared = with_retries(shared_contacts)
    separations = with_retries(read_separations)
    pairs: list[tuple[int, int]] = with_retries(partial(_find, shared))
    for portion in batched(sorted(pairs), AT_ONCE):
        members, questions = with_retries(partial(_ask, portion, reference, shared))
        with_retries(partial(_save, members, questions, separations, run))


def _find(shared: AbstractSet[str]) -> list[tuple[int, int]]:
    with connection.cursor() as cursor:
        cursor.execute(_BY_IDENTIFIER)
        found = cursor.fetchall()
        cursor.execute(_BY_CONTACT, [sorted(shared)])
        return [*{(min(pair), max(pair)) for pair in (*found, *cursor.fetchall())}]


def _ask(
    portion: Sequence[tuple[int, int]], reference: Reference, shared: frozenset[str]
) -> tuple[list[Member], list[Pair]]:
    """Return the records of these pairs, and those of the pairs that want a person."""
    rows = SourceRecord.objects.filter(pk__in={record for pair in portion for record in pair})
    members = read_members(rows, pending=Q(latest_version__state=State.PENDING))
    place_of = {member.row.pk: place for place, member in enumerate(members)}
    records = [match_record(member, reference, shared) for member in members]
    pairs = ((place_of[first], place_of[second]) for first, second in portion)
    places = ((one, other) for one, other in pairs if records[one].is_new or records[other].is_new)
    judged = (judge(records[one], records[other], first=one, second=other) for one, other in places)
    return members, [pair for pair in judged if pair.verdict is Verdict.REVIEW]


def _save(members: Sequence[Member], questions: Sequence[Pair], separations: Separations, run: ImportRun) -> None:
    with fenced(run):
        records = [member.row.pk for member in members]
        save_pairs(records, questions, changed=frozenset(), separations=separations, run=run)
