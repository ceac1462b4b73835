"""What a list says of a made-up place, in the words of its compiler: invented, repeated with differences, changed later.

The rates are those seen on Kenya's public lists: 6 % of counties in another spelling, 9 % of constituencies in capitals or as a
sub-county, 15 % of wards with "Ward" or misspelt, 2 % that cannot be resolved, 12 % without a position, 20 % without a phone,
10 % with two in one cell, 10 % of names with a trailing dash or double spaces.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from benchmarks.places import Ward

KINDS: dict[str, tuple[str, ...]] = {
    "regional": (
        *("Dispensary",) * 8, *("Health Centre",) * 4, *("Medical Clinic",) * 3, "Nursing Home", "Mission Hospital",
        "Sub County Hospital", "Hospital",
    ),
    "other_services": ("Foundation", "Trust", "Legal Aid Centre", "Medical Centre", "Health Centre"),
    "kps_stations": (*("Police Station",) * 4, "Police Post"),
    "category_A": ("Hospital", "Mission Hospital", "Legal Aid Centre", "Foundation", "Gender Violence Recovery Centre"),
    "category_B": ("Hospital", "Health Centre", "Legal Aid Centre", "Trust", "Gender Violence Recovery Centre"),
    "equity_afya": ("Medical Centre",),
    "gbv_support_organizations": ("Shelter", "Rescue Centre", "Legal Aid Office", "Foundation"),
}  # fmt: skip
SERVICES: dict[str, tuple[str, ...]] = {
    "regional": ("Outpatient", "Lab", "Pharmacy", "Maternity", "PRC", "HIV/PEP", "Counselling", "Inpatient"),
    "kps_stations": (),
    "equity_afya": ("Outpatient", "Lab", "Pharmacy"),
    "gbv_support_organizations": ("Legal aid", "Counseling", "Psychosocial support", "Referral"),
}
SERVICES_OF_OTHERS = ("PRC", "PEP", "Counselling", "Legal aid", "Psychosocial support", "Referral", "Medical")
TYPES = {"Mission Hospital": "Hospital", "Sub County Hospital": "Hospital", "Police Station": "", "Police Post": ""}
SAINTS = ("St. Mary's", "St. Joseph", "Upendo", "Neema", "Tumaini", "Amani", "Baraka", "Imani", "PCEA", "AIC")
BRANDS = ("Equity Afia", "Bliss", "Penda", "Avenue", "Jamii", "Afya Bora", "Tabibu", "Sanitas")
CONSONANTS = ("b", "ch", "d", "g", "h", "j", "k", "l", "m", "n", "ng", "ny", "p", "r", "s", "sh", "t", "w", "y", "mb")
HOTLINES = ("1195", "116", "0800 720 553")
NO_PHONE = ("", "", "", "", "N/A", "-", "NIL", "None", "0")
NO_NUMBER = ("N/A", "", "0", "-", "")
PARAGRAPH = (
    "see the note on the next page about this place and who runs it now, since the list of last year has another "
)


@dataclass(frozen=True, slots=True)
class Facts:
    """One record as its list words it, whatever its shape; "" is nothing.

    `phones` is one cell with everything in it, `part` the share of the list that stands before the record.
    """

    number: int
    name: str
    kind: str
    county: str
    ward: Ward
    constituency: str
    sub_county: str
    ward_name: str
    phones: str
    email: str
    website: str
    latitude: str
    longitude: str
    services: tuple[str, ...]
    identifier: int | None
    registration_number: str
    level: str
    ownership: str
    hours: str
    gender_desk: str
    is_heading: bool = False
    part: float = 0.0

    @property
    def type(self) -> str:
        """The type as lists state it."""
        return TYPES.get(self.kind, self.kind)

    @property
    def is_elsewhere(self) -> bool:
        """Whether its county is none of the gazetteer: lists that sort by county must say so beside it."""
        return self.county == NO_COUNTY


NO_COUNTY = "Westmarch"


def invent(chance: Random, *, shape: str, number: int, place: int, wards: Sequence[Ward], flaw: str) -> Facts:
    """Return a place of its own as its list words it. `place` counts the records of its list in its constituency."""
    is_of_ward = place < len(wards) and shape in ("regional", "kps_stations")  # one place of a ward bears its bare name
    ward = wards[place] if is_of_ward else chance.choice(wards)
    kind = chance.choice(KINDS[shape])
    name = _name(chance, ward, kind, shape, is_of_ward=is_of_ward)
    latitude, longitude = _position(chance, ward)
    constituency, sub_county, ward_name = _location(chance, ward)
    facts = Facts(
        number=number,
        name=f"{name} -" if chance.random() < 0.05 else name.replace(" ", "  ", 1) if chance.random() < 0.05 else name,
        kind=kind,
        county=_spelt(chance, ward.county),
        ward=ward,
        constituency=constituency,
        sub_county=sub_county,
        ward_name=ward_name,
        phones=_phones(chance, number, shape, name),
        email=f"info{number}@example.or.ke" if chance.random() < 0.25 else chance.choice(("", "", "N/A")),
        website=f"www.place{number}.example.or.ke" if chance.random() < 0.04 else "",
        latitude=latitude,
        longitude=longitude,
        services=_services(chance, shape),
        identifier=10_000 + number if shape == "regional" else None,
        registration_number=f"REG/{number:07d}" if chance.random() < 0.4 else chance.choice(NO_NUMBER),
        level=f"Level {chance.randint(2, 5)}" if chance.random() < 0.7 else "",
        ownership=chance.choice(("Ministry of Health", "Private", "Faith Based Organization", "")),
        hours=chance.choice(("24hrs", "8am - 5pm", "Mon-Fri 8am-5pm", "", "")),
        gender_desk=chance.choice(("YES", "YES", "NO", "-")),
    )
    return _flawed(facts, flaw)


def _flawed(facts: Facts, flaw: str) -> Facts:
    match flaw:
        case "name":
            return replace(facts, name="-")
        case "county":
            return replace(facts, county=NO_COUNTY)
        case "schema":
            return replace(facts, name=PARAGRAPH * 10)
        case "heading":
            return replace(facts, is_heading=True)
        case _:
            return facts


def _name(chance: Random, ward: Ward, kind: str, shape: str, *, is_of_ward: bool) -> str:
    if is_of_ward:
        return f"{ward.name} {kind}"
    coined = "".join(
        chance.choice(CONSONANTS) + chance.choice("aeiou") for _ in range(chance.choice((3, 3, 4)))
    ).capitalize()
    if shape == "equity_afya":
        return f"{chance.choice(BRANDS)} {kind} ({coined})"
    stem = chance.choice((coined, f"{chance.choice(SAINTS)} {coined}", f"{coined} {ward.name}"))
    return f"{stem} {kind}"


def _spelt(chance: Random, county: str) -> str:
    if chance.random() >= 0.06:
        return county
    return chance.choice((county.upper(), f"{county} County", f" {county.lower()}", county.replace("-", " ")))


def _location(chance: Random, ward: Ward) -> tuple[str, str, str]:
    """Return constituency, sub-county and ward as the list words them."""
    constituency, sub_county, name = ward.constituency, "", ward.name
    way = chance.random()
    if way < 0.05:
        constituency = constituency.upper()
    elif way < 0.09:
        constituency, sub_county = "", constituency
    way = chance.random()
    if way < 0.10:
        name = f"{name} Ward"
    elif way < 0.15:
        name = _misspelt(chance, name)
    elif way < 0.17:
        name = "Kwa Chief"
    elif way < 0.25:
        name = ""
    return constituency, sub_county, name


def _misspelt(chance: Random, text: str) -> str:
    """Return a text without one of its inner letters, or with one doubled."""
    at = chance.randrange(1, len(text))
    return text[:at] + text[at] * chance.choice((0, 2)) + text[at + 1 :]


def _phones(chance: Random, number: int, shape: str, name: str) -> str:
    if shape == "equity_afya":  # one number for the whole brand
        brand = next(place for place, brand in enumerate(BRANDS) if name.startswith(brand))
        return f"0763 {brand:03d} 000"
    way = chance.random()
    if way < 0.20:
        return chance.choice(NO_PHONE)
    first = f"07{(number * 7_919) % 10**8:08d}"  # 7,919 shares no factor with the modulus: no two places share a number
    first = chance.choice((first, f"{first[:4]} {first[4:7]} {first[7:]}", f"+254 {first[1:4]} {first[4:]}"))
    if way < 0.30:
        return f"{first} / 011{(number * 7_919) % 10**7:07d}"
    if way < 0.33 and shape not in ("regional", "kps_stations"):
        return f"{first}, {chance.choice(HOTLINES)}"
    return first


def _position(chance: Random, ward: Ward) -> tuple[str, str]:
    """Return latitude and longitude as the list words them: a few are missing, exchanged, zero or abroad."""
    latitude = f"{ward.latitude + chance.uniform(-0.03, 0.03):.5f}"
    longitude = f"{ward.longitude + chance.uniform(-0.03, 0.03):.5f}"
    way = chance.random()
    if way < 0.12:
        return "", ""
    if way < 0.125:
        return longitude, latitude
    if way < 0.127:
        return "0", "0"
    return ("51.50735", "-0.12776") if way < 0.128 else (latitude, longitude)


def _services(chance: Random, shape: str) -> tuple[str, ...]:
    known = SERVICES.get(shape, SERVICES_OF_OTHERS)
    return tuple(chance.sample(known, min(len(known), chance.choice((1, 1, 1, 2, 2, 3)))))


def vary(facts: Facts, chance: Random) -> Facts:
    """Return the same place as somebody else would word it: the name a little different, less known, a few metres off."""
    constituency, sub_county, ward_name = _location(chance, facts.ward)
    moved = facts.latitude not in ("", "0") and chance.random() < 0.5
    return replace(
        facts,
        name=_reworded(chance, facts.name),
        constituency=constituency,
        sub_county=sub_county,
        ward_name=ward_name,
        phones=facts.phones if chance.random() < 0.7 else "",
        email="",
        latitude=f"{float(facts.latitude) + 0.0005:.5f}" if moved else facts.latitude,
        identifier=facts.identifier if chance.random() < 0.5 else None,
        registration_number="",
        services=facts.services[:1],
        level="",
    )


def _reworded(chance: Random, name: str) -> str:
    way = chance.random()
    if way < 0.4:
        return _misspelt(chance, name)
    if way < 0.6:
        return name.upper()
    shorter = name.replace("Dispensary", "Disp").replace("Health Centre", "H/C").replace("Hospital", "Hosp.")
    return shorter.replace("Centre", "Center").replace("Police Station", "Pol. Station").replace("'", "\u2019")


def change(facts: Facts, chance: Random) -> Facts:
    """Return the facts of a place some time later: another phone and other services."""
    services = tuple(chance.sample(SERVICES_OF_OTHERS, 2)) if facts.services else ()
    return replace(facts, phones=f"010{chance.randrange(10**7):07d}", services=services)
