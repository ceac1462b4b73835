"""A facility's name as matching sees it: abbreviations spelt out, the words that set it apart, directions."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from sys import intern

from rapidfuzz.distance import OSA

from geography.names import DIRECTION_WORDS, direction_words

# What people write short, and what Swahili lists write, in the lists that were seen.
_SHORT_FORMS = {
    "hosp": "hospital", "hsp": "hospital", "hospt": "hospital", "disp": "dispensary", "dispens": "dispensary",
    "ctr": "centre", "cntr": "centre", "center": "centre", "med": "medical", "mem": "memorial", "dist": "district",
    "govt": "government", "stn": "station", "pol": "police", "mat": "maternity", "clin": "clinic", "gen": "general",
    "gvrc": "gender violence recovery centre", "gbvrc": "gender violence recovery centre", "p": "police",
    "org": "organisation", "organization": "organisation", "counseling": "counselling", "womens": "women",
    "childrens": "children", "mens": "men", "girls": "girl", "boys": "boy", "saint": "st", "doctors": "doctor",
    "cty": "county", "cnty": "county", "subcty": "sub county", "hc": "health centre", "crh": "county referral hospital",
    "sch": "sub county hospital", "gbv": "gender violence", "sgbv": "gender violence",
    "cath": "catholic", "sda": "seventh day adventist", "rd": "road",
    "cr": "county referral", "ref": "referral", "dh": "district hospital", "pgh": "provincial general hospital",
    "rhc": "rural health centre", "rhtc": "rural health training centre", "ap": "administration police",
    "admin": "administration", "dci": "directorate criminal investigations", "mt": "mount", "lab": "laboratory",
    "prc": "post rape care", "comm": "community",
    "knh": "kenyatta national hospital", "mtrh": "moi teaching referral hospital",
    "jootrh": "jaramogi oginga odinga teaching referral hospital", "cgtrh": "coast general teaching referral hospital",
    "kutrrh": "kenyatta university teaching referral research hospital", "rvpgh": "rift valley provincial general hospital",
    "zahanati": "dispensary", "hospitali": "hospital", "kliniki": "clinic", "polisi": "police",
    "i": "1", "two": "2", "three": "3", "four": "4", "five": "5", "ii": "2", "iii": "3", "iv": "4", "v": "5",
}  # fmt: skip
_SHORT_FORMS_OF_POLICE = {"ps": "police station", "pp": "police post"}
# Words that say what kind of place it is, not which one.
_GENERIC = frozenset(
    """
    hospital dispensary health centre clinic medical nursing home maternity police station post patrol base
    county sub subcounty referral district general teaching national level government public private mission
    services service facility unit gender violence recovery desk based organisation foundation trust project
    programme program kenya ltd limited cbo ngo the of and for at in provincial rural branch office laboratory ya wa cha la na
    """.split()  # noqa: SIM905 - a list of words reads best as words
)
# A slip of one letter in one of these is the same word: "Helath Centre".
_LONG_GENERIC = ("hospital", "dispensary", "health", "centre", "clinic", "medical", "nursing", "maternity", "police", "station",
                 "county", "referral", "district", "teaching", "mission")  # fmt: skip
_SMALL_WORDS = frozenset({"and", "of", "the", "for", "at", "in"})
SHORTEST_ACRONYM, SHORTEST_SLIP = 3, 5  # letters
_WORD = re.compile(r"[^\W_]+")
# each with a text without which it finds nothing: to look for that is cheap
_PATTERNS = (
    # "Level 5" is what a hospital is, not which one
    ("level", re.compile(r"\blevel\s*(?:[1-6]|i{1,3}|iv|vi?|one|two|three|four|five|six)\b"), " "),
    ("", re.compile(r"\A\s*\(?\d{1,3}\s*[.):-]+\s*(?=[^\W\d])"), ""),  # "7 - Mitunguu": a row's number
    ("(", re.compile(r"\((?:formerly|now|ex|zamani)\b[^)]*\)"), ""),  # "(formerly Migori DH)"
    ("/", re.compile(r"\bh\s*/\s*c\b"), "health centre"),
    ("cent", re.compile(r"\bh\s*[./]?\s*cent(?:re|er)\b"), "health centre"),
    ("kituo", re.compile(r"\bkituo cha afya\b"), "health centre"),
    ("kituo", re.compile(r"\bkituo cha polisi\b"), "police station"),
    ("/", re.compile(r"\bn\s*/\s*home\b"), "nursing home"),
    ("/", re.compile(r"\bc\s*/\s*r\s*/\s*h\b"), "county referral hospital"),
    ("&", re.compile(r"\bt\s*&\s*r\b"), "teaching referral"),
    ("/", re.compile(r"\bs\s*/\s*c(?:ounty)?\b"), "sub county"),
    ("/", re.compile(r"\bp\s*/\s*s\b"), "police station"),
    ("/", re.compile(r"\bp\s*/\s*p\b"), "police post"),
    ("/", re.compile(r"\bp\s*/\s*"), "police "),  # P/STN
    (".", re.compile(r"(?<=\b[a-z])\.\s?(?=[a-z]\b)"), ""),  # A.I.C. is one word
    ("desk", re.compile(r"\bgender\s*(?:and|&)?\s*children(?:'?s)?\s*(?:protection)?\s*desk\b"), "gender desk"),
    ("desk", re.compile(r"\bgender desk\s*:\s*yes\b"), "gender desk"),
)


_NO_DIRECTION: frozenset[str] = frozenset()  # one for all names: an empty set takes 216 bytes


@dataclass(frozen=True, slots=True)
class FacilityName:
    """`text` is the whole name folded, `core` its words without the generic ones, sorted (all of them where none is left).

    `joined` is the core as it stands, without spaces, made of `own_words`. `directions` are its direction, number and
    single-letter words; `places` the words of its core that name places.
    """

    text: str
    core: tuple[str, ...]
    joined: str = ""
    own_words: int = 0
    directions: frozenset[str] = frozenset()
    places: tuple[str, ...] = ()

    @property
    def core_text(self) -> str:
        return " ".join(self.core)


@lru_cache(maxsize=10_000)  # the names of a county, and not of the whole list
def read_name(name: str, *, kind: str = "", place_words: frozenset[str] = frozenset()) -> FacilityName:
    """Return the name as matching sees it: "Iten County Referral Hosp." -> core ("iten",).

    Lists of police stations leave "Police Station" out of the names: for `kind` "police" the words are put back.
    `place_words` are the words of the gazetteer's names: two of them are two places, however alike they are spelt.
    """
    folded = unicodedata.normalize("NFKD", name).casefold().replace("'", "").replace("\u2019", "")
    if not folded.isascii():
        folded = "".join(letter for letter in folded if not unicodedata.combining(letter))
    for needed, pattern, full in _PATTERNS:
        if needed in folded:
            folded = pattern.sub(full, folded)
    short_forms = _SHORT_FORMS | _SHORT_FORMS_OF_POLICE if kind == "police" else _SHORT_FORMS
    spelt_out = (short_forms.get(word, word) for word in _WORD.findall(folded))
    words = " ".join(spelt_out).split()
    if kind == "police" and "police" not in words:
        words += ["police", "station"]
    words = [intern(word if word in place_words else _without_slip(word)) for word in words]
    own = [word for word in words if word not in _GENERIC and not _is_acronym(word, words)] or words
    text = " ".join(words)
    core = tuple(sorted(set(own)))
    places = tuple(word for word in core if word in place_words)
    directions = _NO_DIRECTION if DIRECTION_WORDS.isdisjoint(words) else direction_words(text)
    return FacilityName(text, core, "".join(own), len(own), directions, places)


@lru_cache(maxsize=20_000)
def _without_slip(word: str) -> str:
    """Return the generic word that this one is but for one letter, else the word itself."""
    if len(word) < SHORTEST_SLIP or word in _GENERIC:
        return word
    return next((generic for generic in _LONG_GENERIC if OSA.distance(word, generic, score_cutoff=1) <= 1), word)


def _is_acronym(word: str, words: list[str]) -> bool:
    """Return whether a word is made of the first letters of the words beside it: KTRH (Kisii Teaching and Referral Hospital)."""
    initials = "".join(other[0] for other in words if other != word and other not in _SMALL_WORDS)
    return len(word) >= SHORTEST_ACRONYM and word in initials
