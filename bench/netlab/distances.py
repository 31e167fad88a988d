"""How far is it from a vantage point to a region of the world? Round figures, not measured."""

from __future__ import annotations

from typing import Final

_REGIONS: Final = {
    "cn": "CN",
    "asia": "JP KR TW HK",
    "southeast": "SG TH PH KH ID",
    "oceania": "AU NZ NC",
    "north": "US CA",
    "south": "BR",
    "russia": "RU KZ AZ",
    "mideast": "IR SA",
    "africa": "MA",
    "cape": "ZA",
}
"""Every other country is in Europe."""
HOME: Final = {
    "cn": "cn",
    "de": "europe",
    "us": "north",
    "br": "south",
    "in": "southeast",
    "jp": "asia",
    "au": "oceania",
    "za": "cape",
    "ru": "russia",
}
"""The region of each vantage point."""
_ROUND_TRIPS: Final = """
              cn      asia southeast   oceania     north     south    europe    russia   mideast    africa      cape
    cn      5-60    80-180    80-200   180-280   150-300   270-300   180-300   110-250   200-300   250-300   280-380
    de   200-300   220-290   165-220   260-320    85-165   190-230      4-45     40-90    80-130     40-70   150-190
    us   190-280   140-210   210-250   180-230      6-75   110-150    75-120   120-180   150-200   110-150   210-290
    br   290-380   260-320   310-360   290-340   105-180      5-45   185-230   230-270   260-300   200-240   120-330
    in   120-250    90-150     35-90   130-180   200-280   300-350   120-180   150-200     40-90   180-220   180-290
    jp    45-150      3-60    70-120   110-170   100-190   250-290   210-270    80-220   200-290   260-310   300-380
    au   140-250   110-170    90-150      3-60   140-230   290-340   250-320   250-330   220-300   300-350   180-300
    za   280-380   300-380   210-300   180-340   210-300   120-330   145-190   190-240   180-250   170-220      3-25
    ru   110-230   130-280   190-290   280-350   120-210   230-270     25-80      3-90    90-150    90-130   210-260
"""
"""Milliseconds there and back, the least and the most."""


def region_of(country: str) -> str:
    """Return the region that a country is in."""
    return next((region for region, codes in _REGIONS.items() if country in codes.split()), "europe")


def round_trips(vantage: str, region: str) -> tuple[int, int]:
    """Return the range of round-trip times from a vantage point to a region, in milliseconds."""
    regions, *rows = (line.split() for line in _ROUND_TRIPS.strip().splitlines())
    cells = dict(zip(regions, next(cells for name, *cells in rows if name == vantage), strict=True))
    least, _, most = cells[region].partition("-")
    return int(least), int(most)
