"""Facility names: fillers off, capitals tamed, Kenyan abbreviations kept."""

import re

from etl.stages.clean.text import APOSTROPHES, is_placeholder, to_value

_FILLERS = " -\u2010\u2011\u2012\u2013\u2014\u2212,.;:_/\\*|~=\u2022\u00b7"
_NUMBERING = re.compile(r"(?:\(?\d{1,3}[.)]\s*)+(?=[^\W\d_])")  # "12. KWALE", "3) Diani"; not "3rd Avenue", "24 Hrs"
_SHORT_FORM = re.compile(r"(?:.*\W)?(?:hosp|disp|ltd|co|inc|org|ctr|clin|med|stn|sch|rd|st|dr)", re.IGNORECASE)
# str.title() at the source makes Murang'A and Mary'S of them; O'Brien has a capital before the apostrophe and stays.
_CAPITAL_AFTER_APOSTROPHE = re.compile(r"(?<=[a-z]')[A-Z]")
_WITH_SLASH = r"(?<![^\W\d_])[^\W\d_]/[^\W\d_]{1,3}(?![^\W\d_])"  # P/STN and H/C are one word
_WORD = re.compile(rf"{_WITH_SLASH}|[^\W\d_]+(?:'[^\W\d_]+)*")

_ABBREVIATIONS = frozenset(
    {
        *("ACK", "AIC", "AIPCA", "PCEA", "RCEA", "SDA", "KAG", "PAG", "PEFA", "FPFK", "ELCK", "SUPKEM"),  # churches
        *("GVRC", "MTRH", "KNH", "KMTC", "AMREF", "LVCT", "KEMRI", "AAR", "MSF", "PGH", "ICRH", "MEWA", "FHOK"),
        *("FIDA", "COVAW", "CREAW", "SHOFCO", "HAK", "YMCA", "YWCA", "SOS", "IRC", "UN", "UNHCR", "USAID", "USA"),
        *("CDF", "NHIF", "SHA", "NYS", "KDF", "GSU", "AP", "DCI", "OCS", "KWS", "KPA", "JKIA", "ADC", "EPZ", "GOK"),
        *("VCT", "HIV", "AIDS", "PEP", "TB", "STI", "MCH", "CCC", "ICU", "ENT", "GBV", "SGBV", "FGM", "NGO", "CBO"),
        *("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"),
    }
)
# Words without a vowel are taken for abbreviations (KMTC), these excepted.
_VOWEL_LESS_WORDS = frozenset({"ST", "DR", "MR", "MT", "RD", "LTD", "FR", "SR", "JR", "STN", "CTR", "BR", "HRS", "KM"})
_SMALL_WORDS = frozenset({"OF", "AND", "THE", "FOR", "AT", "IN", "ON", "BY", "TO", "WITH", "KWA", "WA", "YA", "NA"})
_ORDINAL_ENDINGS = frozenset({"ST", "ND", "RD", "TH"})
_VOWELS = frozenset("AEIOUY")


def to_name(text: str) -> str:
    """Return a facility's name, or "" where there is none.

    Fillers at both ends and a leading numbering go. A name in one case becomes title case; one in mixed case is
    somebody's choice and stays, but for a capital after an apostrophe (Murang'A).
    """
    name = _without_fillers(to_value(text).translate(APOSTROPHES))
    name = _without_fillers(_NUMBERING.sub("", name, count=1) if _NUMBERING.match(name) else name)
    if name.isupper() or name.islower():
        name = _WORD.sub(_recase, name)
    else:
        name = _CAPITAL_AFTER_APOSTROPHE.sub(lambda hit: hit[0].lower(), name)
    return "" if is_placeholder(name) else name


def _without_fillers(name: str) -> str:
    started = name.lstrip(_FILLERS)
    bare = started.rstrip(_FILLERS)
    # "GVRC Nairobi Womens Hosp." keeps its dot, "Diani ." does not
    keeps_dot = started.startswith(".", len(bare)) and _SHORT_FORM.fullmatch(bare[-10:])
    return f"{bare}." if keeps_dot else bare


def _recase(hit: re.Match[str]) -> str:
    word = hit[0]
    upper = word.upper()
    before = hit.string[max(0, hit.start() - 1) : hit.start()]
    if not word.isascii():
        return word
    if "/" in word or upper in _ABBREVIATIONS or (_VOWELS.isdisjoint(upper) and upper not in _VOWEL_LESS_WORDS):
        return upper
    if (before == " " and upper in _SMALL_WORDS) or (before.isdigit() and upper in _ORDINAL_ENDINGS):
        return word.lower()
    if upper.startswith(("O'", "D'")) and len(upper) > 3:  # O'Brien, D'Souza
        return f"{upper[:3]}{word[3:].lower()}"
    return f"{upper[0]}{word[1:].lower()}"
