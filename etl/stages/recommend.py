"""What was measured -> what to do next: for each thing that wants a person, the next concrete command and why."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

# rules that a row of fixtures/place_aliases.csv mends
PLACE_RULES = frozenset(
    {"county-unknown", "constituency-unknown", "constituency-ambiguous", "ward-unknown", "ward-ambiguous"}
)
# rules that an alias of a list's row mends -> the list's page in admin
LIST_BY_RULE: Mapping[str, str] = {
    "facility-type-unknown": "Facility types",
    "status-unknown": "Operational statuses",
    "service-unknown": "Service categories",
}
STALE_CONTACTS = "Stale contacts"
MOST = 12
IN_ADMIN = "in admin: "
_WAITING = ("manage.py rejects list", "manage.py duplicates list", f"{IN_ADMIN}{STALE_CONTACTS}")


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One thing to do: why, and the arguments of manage.py that begin it, or the page of admin."""

    metric: str
    why: str
    command: str

    def as_json(self) -> dict[str, str]:
        is_page = self.command.startswith(IN_ADMIN)
        return {
            "metric": self.metric,
            "why": self.why,
            "command": self.command if is_page else f"manage.py {self.command}",
        }


@dataclass(frozen=True, slots=True)
class Situation:
    """What recommendations rest on. `stale`: sources not read within the schedule. `faults`: rule -> records, rejects apart."""

    rejects: Mapping[str, int] = field(default_factory=dict)
    faults: Mapping[str, int] = field(default_factory=dict)
    stale: Sequence[str] = ()
    refused: Sequence[str] = ()
    drifted: Sequence[str] = ()
    open_pairs: int = 0
    missing: int = 0
    contacts_to_verify: int = 0


def recommend(seen: Situation) -> list[Recommendation]:
    """Return what to do, the most urgent first."""
    return [*_sources(seen), *_rejects(seen), *_registry(seen)][:MOST]


def freshened(steps: Sequence[Mapping[str, str]], waiting: Situation) -> list[Mapping[str, str]]:
    """Return steps of an earlier time with what waits for a person now: other numbers, without what was settled since."""
    now = {one["command"]: one for one in (step.as_json() for step in recommend(waiting))}
    kept = [now.pop(step["command"], step) for step in steps if step["command"] in now or not _is_counted(step)]
    return [*kept, *now.values()][:MOST]


def _is_counted(step: Mapping[str, str]) -> bool:
    """Return whether the step counts what a person settles at any time, and not what an import read."""
    return step["command"].startswith(_WAITING)


def _sources(seen: Situation) -> Iterator[Recommendation]:
    for source in seen.refused:
        why = f"{source} was refused: nothing of it is loaded; mend its file, then look what it would do"
        yield Recommendation("timeliness", why, f"import_facilities {source} --dry-run")
    for source in seen.stale:
        if source not in seen.refused:
            why = f"{source} was not read within the schedule"
            yield Recommendation("timeliness", why, f"import_facilities {source}")
    for source in seen.drifted:
        why = f"the shape of {source} moved: see what its records may have lost"
        yield Recommendation("consistency", why, "quality_report")


def _rejects(seen: Situation) -> Iterator[Recommendation]:
    for rule, count in seen.rejects.items():
        is_mended_by_alias = rule in PLACE_RULES or rule == "lookup-unknown"
        hint = "; add an alias, then `rejects replay --waiting`" if is_mended_by_alias else ""
        yield Recommendation("accuracy", f"{_records(count)} rejected by {rule}{hint}", f"rejects list --rule {rule}")


def _registry(seen: Situation) -> Iterator[Recommendation]:
    if seen.open_pairs:
        why = f"{seen.open_pairs} possible duplicate{'s wait' if seen.open_pairs > 1 else ' waits'} for a person"
        yield Recommendation("uniqueness", why, "duplicates list")
    for rule, count in seen.faults.items():
        if rule in PLACE_RULES:
            why = f"{rule} on {_records(count)}: add the spelling to fixtures/place_aliases.csv"
            yield Recommendation("completeness", why, "load_geography")
        elif rule in LIST_BY_RULE:
            why = (
                f"{rule} on {_records(count)}: add the word to the aliases of the row that it means, then import again"
            )
            yield Recommendation("accuracy", why, f"{IN_ADMIN}{LIST_BY_RULE[rule]}")
    if seen.missing:
        why = f"{_records(seen.missing)} missing from their source: look, then take what is gone out of service"
        yield Recommendation("timeliness", why, "import_facilities --deactivate-missing --dry-run")
    if seen.contacts_to_verify:
        why = f"{seen.contacts_to_verify} contacts were never called, or long ago: call them"
        yield Recommendation("timeliness", why, f"{IN_ADMIN}{STALE_CONTACTS}")


def _records(count: int) -> str:
    return f"{count} record{'' if count == 1 else 's'}"
