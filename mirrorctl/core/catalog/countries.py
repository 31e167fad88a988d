"""Which country does a place in free text name?"""

from __future__ import annotations

from typing import Final


def country_of(location: str) -> str | None:
    """Return the ISO 3166-1 alpha-2 code of a place such as ``Europe, Netherlands``; None when it is not plain.

    A two-letter code counts as the first part only: as the last it may be a state (``Fremont, CA``).
    """
    parts = [part.strip() for part in location.split(",")]
    for part in (parts[-1], parts[0]):
        if code := _COUNTRIES.get(part.casefold().removeprefix("the ")):
            return code
    return parts[0].upper() if parts[0].upper() in _COUNTRIES.values() else None


# In English, as people write them in a list. One that is missing costs a mirror its country, no more.
_COUNTRIES: Final = {
    "argentina": "AR",
    "armenia": "AM",
    "australia": "AU",
    "austria": "AT",
    "azerbaijan": "AZ",
    "bangladesh": "BD",
    "belarus": "BY",
    "belgium": "BE",
    "brasil": "BR",
    "brazil": "BR",
    "bulgaria": "BG",
    "cambodia": "KH",
    "canada": "CA",
    "chile": "CL",
    "china": "CN",
    "colombia": "CO",
    "costa rica": "CR",
    "croatia": "HR",
    "cyprus": "CY",
    "czech republic": "CZ",
    "czechia": "CZ",
    "denmark": "DK",
    "ecuador": "EC",
    "egypt": "EG",
    "estonia": "EE",
    "finland": "FI",
    "france": "FR",
    "georgia": "GE",
    "germany": "DE",
    "great britain": "GB",
    "greece": "GR",
    "hong kong": "HK",
    "hungary": "HU",
    "iceland": "IS",
    "india": "IN",
    "indonesia": "ID",
    "iran": "IR",
    "ireland": "IE",
    "israel": "IL",
    "italy": "IT",
    "japan": "JP",
    "kazakhstan": "KZ",
    "kenya": "KE",
    "korea": "KR",
    "latvia": "LV",
    "lithuania": "LT",
    "luxembourg": "LU",
    "malaysia": "MY",
    "mexico": "MX",
    "moldova": "MD",
    "morocco": "MA",
    "netherlands": "NL",
    "new caledonia": "NC",
    "new zealand": "NZ",
    "norway": "NO",
    "pakistan": "PK",
    "philippines": "PH",
    "poland": "PL",
    "portugal": "PT",
    "republic of korea": "KR",
    "romania": "RO",
    "russia": "RU",
    "russian federation": "RU",
    "saudi arabia": "SA",
    "serbia": "RS",
    "singapore": "SG",
    "slovakia": "SK",
    "slovenia": "SI",
    "south africa": "ZA",
    "south korea": "KR",
    "spain": "ES",
    "sweden": "SE",
    "switzerland": "CH",
    "taiwan": "TW",
    "thailand": "TH",
    "tunisia": "TN",
    "turkey": "TR",
    "türkiye": "TR",
    "uk": "GB",
    "ukraine": "UA",
    "united arab emirates": "AE",
    "united kingdom": "GB",
    "united states": "US",
    "united states of america": "US",
    "uruguay": "UY",
    "usa": "US",
    "uzbekistan": "UZ",
    "viet nam": "VN",
    "vietnam": "VN",
}
