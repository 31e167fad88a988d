"""How is a check told? In one line for monitoring, a line a repository for a person, and JSON."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Final

from mirrorctl.core.check.findings import Health
from mirrorctl.core.measure.rank import span
from mirrorctl.core.report import candidate_fields
from mirrorctl.core.repositories.document import printable, without_credentials

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mirrorctl.core.check.configured import Unchecked
    from mirrorctl.core.check.findings import Checkup, Finding
    from mirrorctl.core.measure.cost import Job
    from mirrorctl.core.measure.sample import Served
    from mirrorctl.core.model import Target
    from mirrorctl.core.report import Json

_STALE: Final = "stale: "
_CLEARLY: Final = 1.1
"""From this ratio on, the best mirror is named."""


def one_line(check: Checkup, job: Job, now: float) -> str:
    """Return the line, worst first; its first word, and that of each part behind a semicolon, is the health.

    :param now: seconds since 1970.
    """
    parts = [(each.health, _of(each, check, job, now)) for each in check.findings]
    if not check.agenda.loads:
        first = next((f" ({each}: {each.reason})" for each in check.agenda.unchecked), "")
        parts.append((Health.NOT_USABLE, f"apk reads no repository from its files{first}"))
    elif check.lost:
        more = f", and {len(check.lost) - 1} more" if check.lost[1:] else ""
        parts.append((Health.MISREAD, f"apk does not have what is in {check.lost[0]} ({check.lost[0].reason}){more}"))
    parts = parts or [(Health.FINE, "no mirror to check")]
    parts.sort(key=lambda part: tuple(Health).index(part[0]), reverse=True)
    texts = [f"{health}: {text}" for health, text in parts]
    if left := [each for each in check.agenda.unchecked if each.url is not None]:
        texts.append(f"{_count(len(left), 'line')} not checked")
    return "; ".join(texts)


def repository_lines(finding: Finding, now: float) -> str:
    """Return a line for each repository that a mirror was asked for."""
    served = {sample.target: sample for sample in finding.standing.served}
    return "\n".join(
        f"{_url(finding)} {target}: {_of_index(served.get(target), now)}" for target in finding.configured.targets
    )


def not_checked(each: Unchecked) -> str:
    """Return why lines are not checked."""
    has, be = ("has", "is") if each.first == each.last else ("have", "are")
    what = f"{has} a repository that apk does not have" if each.lost else f"{be} not checked"
    return f"{each}{f' ({each.url})' if each.url else ''} {what}: {each.reason}"


def as_object(
    check: Checkup, job: Job, now: float, *, arch: str, seconds: float, spent: int, notes: Sequence[str] = ()
) -> dict[str, Json]:
    """Return the check as one JSON object.

    :param now: seconds since 1970.
    :param seconds: since the start of the program.
    :param spent: bytes of bodies.
    :param notes: what a person should know besides.
    """
    ratios = [each.ratio for each in check.findings if each.ratio is not None and isfinite(each.ratio)]
    return {
        "status": check.health.value,
        "exit_status": check.exit_status,
        "message": one_line(check, job, now),
        "mirrors": [_fields(each) for each in check.findings],
        "unchecked": [
            {
                "file": each.file,
                "line": each.first,
                "last_line": each.last,
                "url": each.url,
                "reason": each.reason,
                "lost": each.lost,
            }
            for each in check.agenda.unchecked
        ],
        "compare": {
            "best": candidate_fields(check.best),
            "ratio": round(max(ratios), 3) if ratios else None,
            "slow": check.slow,
        }
        if check.best
        else None,
        "notes": list(notes),
        "arch": arch,
        "job": {"name": job.name, "requests": job.requests, "bytes": job.bytes},
        "seconds": round(seconds, 3),
        "bytes": spent,
    }


def _fields(each: Finding) -> dict[str, Json]:
    served = {sample.target: sample for sample in each.standing.served}
    return {
        **candidate_fields(each.standing),
        "url": _url(each),
        "reason": _reason(each),
        "status": each.health.value,
        "known": each.configured.known,
        "fresh": each.fresh,
        "ratio": round(each.ratio, 3) if each.ratio is not None and isfinite(each.ratio) else None,
        "lines": [
            {"file": line.file, "line": line.number, "url": line.url, "tag": line.tag} for line in each.configured.lines
        ],
        "targets": [_target_fields(target, served.get(target)) for target in each.configured.targets],
    }


def _target_fields(target: Target, served: Served | None) -> dict[str, Json]:
    return {
        "branch": target.branch or None,
        "repository": target.repository or None,
        "index": target.index_path,
        "verified": served is not None,
        "built_at": served.built_at if served else None,
        "packages": served.packages if served else None,
        "signed_by": served.signer if served else None,
    }


def _of(each: Finding, check: Checkup, job: Job, now: float) -> str:
    """Say how a mirror is, after the word for it."""
    name = each.configured.candidate.mirror.id
    seconds = each.standing.predicted.expected
    match each.health:
        case Health.NOT_USABLE:
            failure = each.standing.failure
            return f"{_url(each)}: {f'{failure.stage}: ' if failure else ''}{_reason(each)}"
        case Health.STALE:
            text = f"{name}: {(_reason(each) or '').removeprefix(_STALE)}"
        case Health.SLOW:
            return f"{name}: apk's {job.name} job in about {seconds:.1f} s{_beside(each, check)}"
        case _:
            text = f"{name} serves {_served(each)}"
            if (built_at := each.standing.built_at) is not None:
                text += f", newest build {span(max(now - built_at, 0))} ago"
    return f"{text}, apk's {job.name} job in about {seconds:.1f} s{_beside(each, check)}"


def _beside(each: Finding, check: Checkup) -> str:
    """Say how far it is from the best, if that was asked."""
    if each.ratio is None or check.best is None:
        return ""
    if each.ratio < _CLEARLY:
        return ", about the best"
    times = f"{each.ratio:.1f}x" if isfinite(each.ratio) else "many times"
    best = check.best
    return f", {times} as long as with {best.candidate.mirror.id} ({best.predicted.expected:.1f} s)"


def _reason(each: Finding) -> str | None:
    if failure := each.standing.failure:
        return printable(without_credentials(failure.reason))
    if each.health is not Health.NOT_USABLE:
        return None
    longer = f"a slow link? Try --budget {max(20, 4 * each.budget):g}"
    return f"not proven within {each.budget:g} s, only {each.standing.state} ({longer})"


def _served(each: Finding) -> str:
    targets = each.configured.targets
    branches = ", ".join(dict.fromkeys(target.branch for target in targets if target.branch))
    places = f"{branches} for {targets[0].arch}" if branches else targets[0].arch
    return f"{_count(len(targets), 'repository', 'repositories')} ({places})"


def _of_index(served: Served | None, now: float) -> str:
    if served is None:
        return "not proven"
    age = "empty" if served.built_at is None else f"newest build {span(max(now - served.built_at, 0))} ago"
    return f"{_count(served.packages, 'package')}, {age}, signed by {printable(served.signer)}"


def _url(each: Finding) -> str:
    return printable(without_credentials(each.configured.candidate.url))


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or f'{one}s'}"
