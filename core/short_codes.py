"""Emergency and help lines of three to five digits: no valid phone numbers, and the most important contacts of all."""

import re
from collections.abc import Mapping
from types import MappingProxyType

# Kenya's national help lines, as those who answer publish them: police and Communications Authority (999, 112, 911),
# Department of Children's Services (116), Healthcare Assistance Kenya (1195), LVCT Health (1190), NACADA (1192), Wheels
# for Life (1196), Kenya Red Cross (1199), Nairobi City County (1508), Ministry of Health (719, 147), Africa Youth Trust
# (21094). 1193 and 1198 lie in the same toll-free block; who answers there was not found out.
SHORT_CODES: Mapping[str, str] = MappingProxyType(
    {
        "999": "police, emergencies",
        "112": "emergencies, any network",
        "911": "emergencies, mobile networks",
        "116": "child helpline",
        "1190": "one2one youth hotline",
        "1192": "alcohol and drug abuse helpline",
        "1193": "help line",
        "1195": "national gender-based violence helpline",
        "1196": "emergency transport for expectant mothers",
        "1198": "help line",
        "1199": "Red Cross, ambulance and counselling",
        "1508": "Nairobi ambulance dispatch",
        "719": "Ministry of Health",
        "147": "Taifa Care, health insurance",
        "21094": "SMS line for gender-based violence",
    }
)
# The toll-free short numbers of libphonenumber's metadata for region KE; a test compares all of three to five digits.
_TOLL_FREE = re.compile(r"11(?:[246]|9[0-9])|15(?:01|2[127]|6[26][0-9])|999")
SHORT_CODE_PATTERN = f"{_TOLL_FREE.pattern}|{'|'.join(SHORT_CODES)}"


def is_short_code(text: str) -> bool:
    """Return True for an emergency or help line, written in digits only.

    Paid SMS and operator codes are none, except the ones named above: 42045 is one by its pattern, and also a local
    landline whose area code was left out.
    """
    code = text.strip()
    return code in SHORT_CODES or bool(_TOLL_FREE.fullmatch(code))
