"""Reads the members of one raw record strictly: what no line of a mapping reads or ignores is reported as unread."""

from collections.abc import Iterator, Mapping
from typing import Any

from etl.stages.clean import to_text
from etl.stages.records import RawRecord, StagedContact, StagedFacility


class Reader:
    """One object of a raw record; remembers which members were read."""

    def __init__(
        self, members: Mapping[str, Any], inherited: Mapping[str, str] | None = None, prefix: str = ""
    ) -> None:
        self._members = members
        self._inherited = inherited or {}
        self._prefix = prefix
        self._read: set[str] = set()
        self._children: dict[str, Reader] = {}

    @classmethod
    def of(cls, raw: RawRecord) -> "Reader":
        return cls(raw.payload if isinstance(raw.payload, dict) else {}, raw.inherited)

    def text(self, *names: str) -> str:
        """Return the first of these members that holds a scalar, as text; "" where none does."""
        for name in names:
            self._read.add(name)  # a name behind the one that is used stays unread, and is reported
            if text := _scalar(self._members.get(name)):
                return text
        return ""

    def inherited(self, name: str) -> str:
        """Return what the record inherits under this name from the lists it stands in; "" where nothing."""
        return self._inherited.get(name, "")

    def texts(self, *names: str) -> tuple[str, ...]:
        """Return every text of these members: a string, a list's items or an object's values."""
        self._read.update(names)
        return tuple(text for name in names for text in _flat(self._members.get(name)))

    def contacts(self, *names: str) -> tuple[StagedContact, ...]:
        """Return the contacts under these members, in any of the shapes sources use, each with what it is called."""
        self._read.update(names)
        return tuple(contact for name in names for contact in _contacts(name, self._members.get(name)))

    def inside(self, name: str) -> "Reader":
        """Return a reader of an object member; an empty one where the member is something else."""
        members = self._members.get(name)
        if members is None or isinstance(members, dict):
            self._read.add(name)
        if not isinstance(members, dict):
            return Reader({})
        return self._children.setdefault(name, Reader(members, prefix=f"{self._prefix}{name}."))

    def ignore(self, *names: str) -> None:
        """Leave these members aside on purpose."""
        self._read.update(names)

    def staged(self) -> StagedFacility:
        """Return what the record says under the usual names; a source's stage() replaces what it says otherwise.

        `location` may be an object of places or free text, which may name a county and is then an address, too.
        """
        place = self.inside("location")
        text = self.text("location")
        point = place.inside("coordinates")
        constituency = self.text("constituency") or place.text("constituency")
        sub_county = self.text("sub_county") or place.text("sub_county")
        ward = self.text("ward") or place.text("ward")
        return StagedFacility(
            name=self.text("facility_name", "name", "organization_name", "station_name"),
            identifier=self.text("mfl_code"),
            registration_number=self.text("registration_number"),
            facility_type=self.text("type", "facility_type"),
            county=self.text("county") or place.text("county"),
            constituency=constituency,
            sub_county=sub_county,
            ward=ward,
            town=self.text("town") or place.text("town"),
            address=self.text("address") or place.text("address") or text,
            location_text=text,
            sub_place=text or f"{sub_county}|{constituency}|{ward}",
            latitude=self.text("latitude", "lat") or place.text("latitude", "lat") or point.text("lat", "latitude"),
            longitude=self.text("longitude", "long")
            or place.text("longitude", "long")
            or point.text("long", "longitude"),
            contacts=self.contacts("contacts", "contact", "phone", "phones", "tel", "email"),
            services=self.texts("services"),
            status=self.text("status"),
            level=self.text("level"),
            ownership=self.text("ownership"),
            opening_hours=self.text("hours", "opening_hours"),
            gender_desk=self.text("gender_desk"),
            website=self.text("website"),
            confidential=self.text("confidential", "is_confidential"),
        )

    def unread(self) -> tuple[str, ...]:
        """Return the dotted names of the members that nothing read or ignored."""
        own = (f"{self._prefix}{name}" for name in self._members if name not in self._read)
        return tuple(sorted([*own, *(name for child in self._children.values() for name in child.unread())]))


def _scalar(value: Any) -> str:
    return "" if isinstance(value, dict | list) else to_text(value)


def _flat(value: Any) -> Iterator[str]:
    """Yield the scalar texts inside a value, however it is nested (extract bounds the nesting)."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _flat(item)
    elif text := _scalar(value):
        yield text


def _contacts(name: str, value: Any) -> Iterator[StagedContact]:
    if isinstance(value, dict) and "value" in value:  # {"type": "hotline", "value": "0800 ..."}
        yield from (StagedContact(_scalar(value.get("type")) or name, text) for text in _flat(value["value"]))
        for kind, inner in value.items():
            if kind not in ("type", "value"):
                yield from _contacts(kind, inner)
    elif isinstance(value, dict):  # {"ocs": "0722 ..."}
        for kind, inner in value.items():
            yield from _contacts(kind, inner)
    elif isinstance(value, list):
        for item in value:
            yield from _contacts(name, item)
    elif text := _scalar(value):
        yield StagedContact(name, text)
