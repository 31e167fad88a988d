"""What does it mean when nearly all mirrors fail alike, and what is to be done?"""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING, Final

from mirrorctl.core.index.bad import UNTRUSTED
from mirrorctl.core.model import Cause
from mirrorctl.core.releases import why_absent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mirrorctl.core.measure.plan import Plan
    from mirrorctl.core.model import Failure, Target

_ADDRESS: Final = r"[0-9A-Fa-f]*[.:][0-9A-Fa-f.:]*(?:%\w+)?"
_PARTICULARS: Final = (
    (re.compile(rf"^{_ADDRESS}: "), ""),
    (re.compile(rf" to {_ADDRESS}(?= within)"), ""),
    (re.compile(r"\bhttps?://[^\s,]+"), "..."),
    (re.compile(r"^stale: .*"), "stale"),
    (re.compile(r"^certificate (?:expired|valid only from) .*"), "certificate out of date"),
    (re.compile(r" \(no CA certificates here\? .*\)$"), ""),  # what it means says so too
)
_CERTAIN: Final = (Cause.MISSING, Cause.UNTRUSTED)
"""Causes that mean the same of one mirror alone."""
_KEY_MADE: Final = re.compile(r"alpine-devel@lists\.alpinelinux\.org-([0-9a-f]{8})\.rsa\.pub")
"""abuild-keygen(1) names a key by the time when it was made, in hexadecimal seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Around:
    """What is known of the system on which mirrors fail."""

    now: float
    """What its clock says, seconds since 1970."""
    root: str = ""
    """Of the system to be changed, without a slash at the end; empty for the running one."""
    keys: Mapping[str, str] | None = None
    """Alpine's own keys for its architecture, by file name: where mirrorctl has each."""

    @property
    def today(self) -> str:
        """The day, ``2026-11-24``."""
        return time.strftime("%Y-%m-%d", time.gmtime(self.now))


@dataclass(frozen=True, slots=True)
class Meaning:
    """What many failures come to."""

    claim: str
    """What all of them have in common."""
    step: str
    """What that means, and what to do; empty where nothing more is known than the claim says."""

    def __str__(self) -> str:
        return f"{self.claim}: {self.step}" if self.step else self.claim


@dataclass(frozen=True, slots=True)
class _Alike:
    failures: Sequence[Failure]
    """Of one cause."""
    total: int
    """Mirrors that were considered."""
    plan: Plan
    around: Around

    @property
    def all(self) -> str:
        many = len(self.failures)
        return f"all {many}" if many == self.total else f"{many} of {self.total}"

    def none(self, does: str, do_not: str) -> str:
        """Return that nobody does, or how many do not."""
        many = len(self.failures)
        return f"none of {many} {does}" if many == self.total else f"{many} of {self.total} {do_not}"

    @property
    def gist(self) -> str:
        return Counter(map(gist, self.failures)).most_common(1)[0][0]


def gist(failure: Failure) -> str:
    """Return a reason without what is peculiar to one mirror, so that equal ones can be counted."""
    text = failure.reason
    for pattern, instead in _PARTICULARS:
        text = pattern.sub(instead, text)
    return text


def meaning(failures: Sequence[Failure], total: int, plan: Plan, around: Around) -> Meaning | None:
    """Return what it means that at least three of four fail for one cause; None if they do not, or it tells nothing.

    :param total: mirrors that were considered, those that have not failed included.
    """
    if (cause := cause_of_most(failures, total)) is None or (told := _MEANINGS.get(cause)) is None:
        return None
    return told(_Alike([each for each in failures if each.cause is cause], total, plan, around))


def cause_of_most(failures: Sequence[Failure], total: int) -> Cause | None:
    """Return the cause of at least three failures of four mirrors; None if there is none."""
    causes = Counter(failure.cause for failure in failures)
    return next((cause for cause, many in causes.items() if 4 * many >= 3 * total), None)


def step_alone(failure: Failure, plan: Plan, around: Around) -> str:
    """Return what the failure of one mirror means, where that is certain; else nothing."""
    if failure.cause not in _CERTAIN:
        return ""
    told = _MEANINGS[failure.cause](_Alike([failure], 1, plan, around))
    return told.step if told else ""


def missing_from(failures: Sequence[Failure], target: Target) -> int:
    """Return how many say that they do not have that index."""
    return sum(each.cause is Cause.MISSING and each.reason.startswith(f"no {target} (") for each in failures)


def _no_such_name(alike: _Alike) -> Meaning:
    whole = len(alike.failures) == alike.total
    return Meaning(
        f"{'no name can' if whole else f'{alike.all} names cannot'} be resolved ({alike.gist})",
        "is there a network, and the right name server in /etc/resolv.conf?",
    )


def _no_connection(alike: _Alike) -> Meaning:
    return Meaning(
        f"{alike.none('takes a connection', 'take no connection')} ({alike.gist})",
        "is there a network, or a firewall in the way? behind a proxy, set HTTPS_PROXY",
    )


def _clock(alike: _Alike) -> Meaning:
    says = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(alike.around.now))
    return Meaning(
        f"{alike.none('has a certificate that is valid now', 'have certificates that are not valid now')} "
        f"({alike.failures[0].reason})",
        f"this system's clock says {says}; if that is wrong, set it (a container has its host's)",
    )


def _impostor(alike: _Alike) -> Meaning:
    return Meaning(f"{alike.all} show somebody else's certificate", _IN_THE_WAY)


def _no_authorities(alike: _Alike) -> Meaning:
    return Meaning(
        f"{alike.none('passes TLS', 'do not pass TLS')} ({alike.gist})",
        "are CA certificates installed (apk add ca-certificates)? where a proxy opens TLS, "
        "name the file of its authority with SSL_CERT_FILE",
    )


def _proxy(alike: _Alike) -> Meaning:
    step = "HTTPS_PROXY or HTTP_PROXY names it: correct that, or take it away"
    if "(407)" in alike.gist:  # with its brackets: a port may have these digits too
        step = "give it one: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT"
    return Meaning(f"{alike.none('is reached', 'are not reached')}, {alike.gist}", step)


def _web_page(alike: _Alike) -> Meaning:
    return Meaning(f"{alike.all} answer with a web page", _IN_THE_WAY)


def _missing(alike: _Alike) -> Meaning | None:
    for target in alike.plan.targets:
        if 4 * missing_from(alike.failures, target) >= 3 * alike.total:
            why = why_absent(target.branch, target.repository, target.arch, alike.around.today)
            if why and why.kept and alike.plan.wanted is None and not _asks_the_first(alike.plan):
                return Meaning(f"{alike.all} say {alike.gist}", f"{why.text}; --include dl-cdn asks Alpine's own")
            step = why.text if why else "no such branch, or not for this arch" if alike.total > 1 else ""
            return Meaning(f"{alike.all} say {alike.gist}", step)
    return None


def _untrusted(alike: _Alike) -> Meaning:
    names = alike.gist.removeprefix(UNTRUSTED).split(", ")
    folder = f"{alike.around.root}/etc/apk/keys/"
    for name in names:
        place, made = (alike.around.keys or {}).get(name), _KEY_MADE.fullmatch(name)
        if place and made:
            year = time.gmtime(int(made[1], 16)).tm_year
            branches = ", ".join(dict.fromkeys(target.branch for target in alike.plan.targets if target.branch))
            return Meaning(
                f"{alike.all} are {UNTRUSTED}{name}",
                f"it is Alpine's own key of {year}, which this root does not have, so its alpine-keys is too old for "
                f"{branches or 'it'}; mirrorctl brings the key: cp {quote(place)} {quote(folder)}",
            )
    return Meaning(
        f"{alike.all} are {alike.gist}",
        f"if you trust whoever signs with it, have the public key in {folder}",
    )


def _asks_the_first(plan: Plan) -> bool:
    return any(each.mirror.id == "dl-cdn" for each in plan.candidates)


_IN_THE_WAY: Final = (
    "a captive portal or a filter is in the way; log in to this network with a browser, or use another network"
)

# The family of meanings: a cause that says something of the system or its network is a line here and a function above.
_MEANINGS: Final[dict[Cause, Callable[[_Alike], Meaning | None]]] = {
    Cause.NO_SUCH_NAME: _no_such_name,
    Cause.NAME_SERVER: _no_such_name,
    Cause.NO_CONNECTION: _no_connection,
    Cause.CLOCK: _clock,
    Cause.IMPOSTOR: _impostor,
    Cause.NO_AUTHORITIES: _no_authorities,
    Cause.PROXY: _proxy,
    Cause.WEB_PAGE: _web_page,
    Cause.MISSING: _missing,
    Cause.UNTRUSTED: _untrusted,
}
