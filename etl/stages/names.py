"""A facility's name as matching sees it: abbreviations spelt out, the words that set it apart, directions."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from geography.names import direction_words

# What people write short, in the lists that were seen.
_SHORT_FORMS = {
    "hosp": "hospital", "hsp": "hospital", "hospt": "hospital", "disp": "dispensary", "dispens": "dispensary",
    "ctr": "centre", "cntr": "centre", "center": "centre", "med": "medical", "mem": "memorial", "dist": "district",
    "govt": "government", "stn": "station", "pol": "police", "mat": "maternity", "clin": "clinic", "gen": "general",
    "gvrc": "gender violence recovery centre", "gbvrc": "gender violence recovery centre", "p": "police",
    "org": "organisation", "organization": "organisation", "counseling": "counselling", "womens": "women",
    "childrens": "children", "mens": "men", "girls": "girl", "boys": "boy", "saint": "st", "doctors": "doctor",
}  # fmt: skip
# Words that say what kind of place it is, not which one.
_GENERIC = frozenset(
    """
    hospital dispensary health centre clinic medical nursing home maternity police station post patrol base
    county sub subcounty referral district general teaching national level government public private mission
    services service facility unit gender violence recovery desk based organisation foundation trust project
    programme program kenya ltd limited cbo ngo the of and for at in
    """.split()  # noqa: SIM905 - a list of words reads best as words
)
_WORD = re.compile(r"[^\W_]+")
_SLASHED = ((re.compile(r"\bh\s*/\s*c\b"), "health centre"), (re.compile(r"\bp\s*/\s*"), "police "))
_LEVEL = re.compile(r"\blevel\s*(?:[1-6]|i{1,3}|iv|vi?)\b")  # "Level 5" is what a hospital is, not which one


@dataclass(frozen=True, slots=True)
class FacilityName:
    """`text` is the whole name folded; `core` its words without the generic ones (all of them where none is left)."""

    text: str
    core: tuple[str, ...]
    directions: frozenset[str]


@lru_cache(maxsize=100_000)
def read_name(name: str, *, kind: str = "") -> FacilityName:
    """Return the name as matching sees it: "Iten County Referral Hosp." -> core ("iten",).

    Lists of police stations leave "Police Station" out of the names: for `kind` "police" the words are put back.
    """
    folded = unicodedata.normalize("NFKC", name).casefold().replace("'", "").replace("\u2019", "")
    folded = _LEVEL.sub(" ", folded)
    for pattern, full in _SLASHED:
        folded = pattern.sub(full, folded)
    spelt_out = (_SHORT_FORMS.get(word, word) for word in _WORD.findall(folded))
    words = " ".join(spelt_out).split()
    if kind == "police" and "police" not in words:
        words += ["police", "station"]
    core = tuple(word for word in words if word not in _GENERIC)
    return FacilityName(" ".join(words), core or tuple(words), direction_words(" ".join(words)))
