"""Two inferred schemas of a source -> how its shape moved: paths that are new, gone, or of another type, and jumps of counts."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from etl.stages.records import PathProfile

FEWEST_RECORDS = 5  # of each delivery: the shape of fewer says nothing
FEWEST_WITH_PATH, SCHEMA_SHARE = 3, 0.1  # records: a path that stands in fewer comes and goes, and may be a value
JUMP = 0.2  # of the records, or of the share of records that state a path
_ALIKE = {"integer": "number"}  # 3 and 3.0 are one type to whoever wrote the file


class OnDrift(StrEnum):
    """What a run does with a source whose shape moved."""

    WARN = "warn"
    FAIL = "fail"


class Kind(StrEnum):
    """In which way a path moved."""

    NEW = "path-new"
    VANISHED = "path-vanished"
    RETYPED = "path-retyped"
    MIXED = "path-mixed"
    JUMPED = "count-jumped"


@dataclass(frozen=True, slots=True)
class Drift:
    """One move of a source's shape since its last good run."""

    source: str
    kind: Kind
    path: str
    message: str

    @property
    def is_breaking(self) -> bool:
        """Whether all records may lose what they said: the path is gone, or holds another type only."""
        return self.kind in {Kind.VANISHED, Kind.RETYPED}


def merge_profiles(profiles: Iterable[Sequence[PathProfile]]) -> dict[str, PathProfile]:
    """Return the profile of a source in parts, by path."""
    merged: dict[str, PathProfile] = {}
    for profile in profiles:
        for path in profile:
            known = merged.get(path.path)
            types = tuple(sorted({*path.types, *(known.types if known else ())}))
            records, nulls = (known.records, known.nulls) if known else (0, 0)
            merged[path.path] = PathProfile(path.path, records + path.records, types, nulls + path.nulls)
    return merged


def find_drift(
    source: str, *, before: Mapping[str, PathProfile], now: Mapping[str, PathProfile], counts: tuple[int, int]
) -> list[Drift]:
    """Return how a source moved from one profile to the next; `counts` are the records read then and now."""
    found = list(_count_jump(source, *counts))
    was, is_now = _Shape(before), _Shape(now)
    if min(was.total, is_now.total) >= FEWEST_RECORDS:
        whole: tuple[str, ...] = ()  # paths that are new or gone with all that lies below them
        for path in sorted(before.keys() | now.keys()):
            moves = [] if path.startswith(whole) and whole else list(_path_drift(path, was, is_now))
            found += [Drift(source, kind, path, text) for kind, text in moves]
            if any(kind in {Kind.NEW, Kind.VANISHED} for kind, _ in moves):
                whole = (*whole, f"{path}.", f"{path}[")
    return found


def _count_jump(source: str, before: int, now: int) -> Iterator[Drift]:
    if before >= FEWEST_RECORDS and abs(now - before) > JUMP * before:
        message = f"{now} records, {before} in its last good run ({100 * (now - before) / before:+.0f} %)"
        yield Drift(source, Kind.JUMPED, "", message)


def _path_drift(path: str, was: "_Shape", is_now: "_Shape") -> Iterator[tuple[Kind, str]]:
    """Yield how one path moved, each with its message."""
    if was.share(path) == 0 and is_now.has(path):
        yield Kind.NEW, f"{path} is new: it stands in {is_now.share(path):.0%} of the records"
    elif is_now.share(path) == 0 and was.has(path):
        yield Kind.VANISHED, f"{path} is gone: it stood in {was.share(path):.0%} of the records"
    elif path and (was.has(path) or is_now.has(path)):
        types, earlier = is_now.types(path), was.types(path)
        if earlier and types - earlier and was.has(path) and is_now.has(path):
            text = f"{path} holds {' or '.join(sorted(types))}, {' or '.join(sorted(earlier))} before"
            yield (Kind.MIXED if types & earlier else Kind.RETYPED), text
        if abs(is_now.stated(path) - was.stated(path)) > JUMP:
            yield Kind.JUMPED, f"{is_now.stated(path):.0%} of the records state {path}, {was.stated(path):.0%} before"


@dataclass(frozen=True, slots=True)
class _Shape:
    """A source's inferred schema, asked about one path."""

    profile: Mapping[str, PathProfile]

    @property
    def total(self) -> int:
        """How many records were looked at."""
        return self.profile[""].records if "" in self.profile else 0

    def share(self, path: str) -> float:
        return self.profile[path].records / self.total if path in self.profile else 0.0

    def has(self, path: str) -> bool:
        """Return whether the path is a part of the shape, and not one record's."""
        return path in self.profile and self.profile[path].records >= max(FEWEST_WITH_PATH, SCHEMA_SHARE * self.total)

    def stated(self, path: str) -> float:
        found = self.profile[path]
        return (found.records - found.nulls) / self.total

    def types(self, path: str) -> set[str]:
        return {_ALIKE.get(name, name) for name in self.profile[path].types} - {"null"}
