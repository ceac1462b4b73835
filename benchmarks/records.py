"""A seeded generator of regional.json in any size: real places, facility-like names, invented numbers."""

import csv
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
KINDS = ("Dispensary", "Health Centre", "Medical Clinic", "Sub County Hospital", "Nursing Home", "Mission Hospital")
SAINTS = ("St. Mary's", "St. Joseph", "Upendo", "Neema", "Tumaini", "Amani", "Baraka", "Imani", "")


def generate(count: int, *, seed: int = 1) -> Iterator[dict[str, Any]]:
    """Yield `count` facilities as the regional list writes them, each with its county beside it under "county"."""
    chance = random.Random(seed)
    with (ROOT / "fixtures" / "geography.csv").open(encoding="utf-8", newline="") as file:
        wards = list(csv.DictReader(file))
    for number in range(count):
        ward = chance.choice(wards)
        kind = chance.choice(KINDS)
        yield {
            "county": ward["county"],
            "name": f"{chance.choice(SAINTS)} {ward['ward']} {kind} {number if chance.random() < 0.3 else ''}".strip(),
            "mfl_code": 10000 + number,
            "registration_number": f"REG/{number:07d}" if chance.random() < 0.5 else "N/A",
            "type": kind.split()[-1] if kind.endswith("Hospital") else kind,
            "ownership": "Ministry of Health",
            "status": "Operational",
            "location": {"constituency": ward["constituency"], "ward": ward["ward"], "town": ward["ward"]},
            "contacts": {"phone": f"07{chance.randrange(10**8):08d}", "email": "N/A"},
            "services": chance.sample(["PRC", "Counselling", "HIV/PEP", "Outpatient", "Lab", "Pharmacy"], 2),
        }


def write_regional(path: Path, count: int, *, seed: int = 1) -> None:
    """Write regional.json in its nested shape, county by county."""
    by_county: dict[str, list[dict[str, Any]]] = {}
    for record in generate(count, seed=seed):
        by_county.setdefault(record.pop("county"), []).append(record)
    counties = [{"county": county, "facilities": facilities} for county, facilities in by_county.items()]
    path.write_text(json.dumps({"regions": [{"region": "KENYA", "counties": counties}]}), encoding="utf-8")
