"""The open rejects grouped by rule: counted by the database, and a few of each to look at."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import connection

from etl.models import SourceRecordVersion
from etl.rule_words import RuleWords, words_of
from etl.shown_records import ShownRecord, read_kinds, show
from etl.stages.records import Severity

SHOWN = 3  # rejects of each rule

_BY_RULE = """
SELECT rule, source, count(*), (array_agg(version_id ORDER BY version_id))[1:%s]
FROM (
  SELECT DISTINCT v.version_id, r.source, f->>'rule' AS rule
  FROM source_record_versions v
  JOIN source_records r USING (source_record_id)
  CROSS JOIN LATERAL jsonb_array_elements(v.findings) AS f
  WHERE v.state = %s AND f->>'severity' = %s
) AS rejects
GROUP BY rule, source ORDER BY rule, source
"""
_RULES = """
SELECT DISTINCT f->>'rule' FROM source_record_versions v CROSS JOIN LATERAL jsonb_array_elements(v.findings) AS f
WHERE v.findings <> '[]'::jsonb AND (%s = '' OR v.state = %s) ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Example:
    """One reject of a rule, as far as it may be shown."""

    version: SourceRecordVersion
    shown: ShownRecord
    message: str


@dataclass(frozen=True, slots=True)
class RuleBlock:
    """A rule, its open rejects by source, and the first of them."""

    rule: str
    words: RuleWords
    by_source: Mapping[str, int]
    examples: Sequence[Example]

    @property
    def count(self) -> int:
        return sum(self.by_source.values())


def count_by_rule() -> dict[str, int]:
    """Return how many rejects each rule holds open now, the commonest first."""
    counts: Counter[str] = Counter()
    for rule, _, count, _ in _read():
        counts[rule] += count
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def rejects_by_rule() -> list[RuleBlock]:
    """Return a block for each rule that rejects anything now, the most frequent first; three queries."""
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    first: dict[str, list[int]] = defaultdict(list)
    for rule, source, count, numbers in _read():
        counts[rule][source] = count
        first[rule] = sorted([*first[rule], *numbers])[:SHOWN]
    versions = SourceRecordVersion.objects.select_related("source_record__facility", "source_file").defer("raw")
    found = versions.in_bulk([pk for chosen in first.values() for pk in chosen])
    kinds = read_kinds()
    blocks = [
        RuleBlock(rule, words_of(rule), by_source, [_example(found[pk], rule, kinds) for pk in first[rule]])
        for rule, by_source in counts.items()
    ]
    return sorted(blocks, key=lambda block: (-block.count, block.rule))


def _read() -> list[tuple[str, str, int, list[int]]]:
    """Return rule, source, how many open rejects, and the first of them."""
    with connection.cursor() as cursor:
        cursor.execute(_BY_RULE, [SHOWN, SourceRecordVersion.State.REJECTED, Severity.REJECT.value])
        rows: list[tuple[str, str, int, list[int]]] = cursor.fetchall()
    return rows


def _example(version: SourceRecordVersion, rule: str, kinds: Mapping[str, str]) -> Example:
    shown = show(version, kinds)
    message = next(f["message"] for f in shown.findings if f["rule"] == rule and f["severity"] == Severity.REJECT)
    return Example(version, shown, message)


def known_rules(state: str = "") -> list[str]:
    """Return the rules of every finding in the ledger, or on the versions in one state."""
    with connection.cursor() as cursor:
        cursor.execute(_RULES, [state, state])
        return [row[0] for row in cursor.fetchall()]
