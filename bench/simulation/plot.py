"""What does the comparison look like? One SVG: how long a decision takes, what it is worth, and how often it is broken.

Written by hand, since it is small, has to be readable on light and on dark ground, and must not load anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from math import isfinite, log10
from typing import TYPE_CHECKING, Final

from bench.simulation.contest import ORACLE, OURS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.simulation.figures import Figures

_WIDTH, _HEIGHT = 1000, 690
_LEFT, _RIGHT = 150, 960
_FIXED_X: Final = 100
"""Where those stand that measure nothing: left of the axis, which has no zero."""
_REGRET: Final = (90, 440)
"""Top and bottom of the upper panel."""
_BROKEN: Final = (490, 640)
_SECONDS: Final = (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_RATIOS: Final = (1, 1.01, 1.03, 1.1, 1.3, 2, 4, 10, 30, 100, 300)
_CLOSE: Final = 0.01
"""How near to the best two mirrors may be to stand at about the same height."""
_PERCENTS: Final = (0, 5, 10, 15, 20, 30, 40, 50, 75, 100)
_LETTER, _LINE = 7, 13
"""About how much room a letter of a label takes."""
_AROUND: Final = tuple(
    (side, step) for step in (-9, 11, -23, 25, -37, 39, -51, 53, -65, 67) for side in ("start", "end")
)
"""Where a label may stand beside its point, nearest first."""

_ACROSS: Final = "seconds until it has decided: median, and a line to the 95th percentile"
_UP: Final = (
    "regret: seconds of apk's job with that choice / on the best mirror, where it can be done; "
    "median, and a line to the 95th percentile"
)
_BELOW: Final = "broken picks: networks on which the job cannot be done with that choice"
_GROUPS: Final = {
    "ours": ("mirrorctl", (OURS,)),
    "alpine": ("made for Alpine", ("sar-f", "chsrc")),
    "fixed": ("written by hand", ("aliyun", "dl-cdn")),
    "other": ("made for others, as they would choose for Alpine", ()),
}
_STYLE: Final = """
text{font:12px system-ui,"DejaVu Sans",sans-serif;fill:#1f2328}
.title{font-size:16px;font-weight:600}.soft{fill:#59636e}
.ground{fill:#fff}.grid{stroke:#d8dce1}.lead{stroke:#59636e;stroke-width:.6}
.whisker{fill:none;stroke-width:1.5;opacity:.4}
.ours{fill:#0a7d33;stroke:#0a7d33}.alpine{fill:#b35900;stroke:#b35900}
.fixed{fill:#8250df;stroke:#8250df}.other{fill:#0b62c4;stroke:#0b62c4}
text.ours,text.alpine,text.fixed,text.other{stroke:none}text.ours{font-weight:700}
@media(prefers-color-scheme:dark){
text{fill:#e6edf3}.soft{fill:#9198a1}.ground{fill:#0d1117}.grid{stroke:#2b313a}.lead{stroke:#9198a1}
.ours{fill:#3fb950;stroke:#3fb950}.alpine{fill:#f0883e;stroke:#f0883e}
.fixed{fill:#bc8cff;stroke:#bc8cff}.other{fill:#58a6ff;stroke:#58a6ff}}
"""


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where a value stands, in pixels; logarithmic unless ``low`` is 0."""

    low: float
    high: float
    begin: float
    end: float

    def at(self, value: float) -> float:
        value = min(max(value, self.low), self.high)
        share = log10(value / self.low) / log10(self.high / self.low) if self.low else value / self.high
        return self.begin + share * (self.end - self.begin)


@dataclass(slots=True)
class _Labels:
    """Texts beside points, none upon another."""

    taken: list[tuple[float, float, float, float]] = field(default_factory=list)

    def keep_clear(self, x: float, y: float) -> None:
        self.taken.append((x - 6, y - 6, x + 6, y + 6))

    def place(self, text: str, x: float, y: float, group: str, top: float, bottom: float) -> str:
        """Return a label at the nearest free place."""
        width = _LETTER * len(text)
        for side, step in _AROUND:
            gap = 6 if abs(step) <= _LINE else 16
            left = x + gap if side == "start" else x - gap - width
            box = (left, y + step - _LINE / 2, left + width, y + step + _LINE / 2)
            fits = left > _FIXED_X - 40 and box[2] < _WIDTH and top <= box[1] and box[3] <= bottom
            if fits and not any(_overlap(box, other) for other in self.taken):
                break
        self.taken.append(box)
        near = box[0] if side == "start" else box[2]
        far = abs(step) > _LINE
        line = f'<path class="lead" d="M{x:.1f} {y:.1f}L{near:.1f} {y + step:.1f}"/>' if far else ""
        return (
            f"{line}<text x={_quoted(near)} y={_quoted(y + step + 4)} text-anchor={_quoted(side)} "
            f"class={_quoted(group)}>{escape(text)}</text>"
        )


def draw_plot(figures: Sequence[Figures], job: str) -> str:
    """Return the plot as an SVG document."""
    shown = [each for each in figures if each.strategy != ORACLE]
    measured = [each for each in shown if each.decision.worst > 0]
    seconds = _Scale(0.5, max([10.0, *(each.decision.p95 for each in measured)]), _LEFT, _RIGHT)
    highest = max([2.0, *(each.regret.p95 for each in shown if isfinite(each.regret.p95))])
    ratios = _Scale(_CLOSE, highest - 1 + _CLOSE, _REGRET[1], _REGRET[0])
    percents = _Scale(0, max(5.0, *(each.broken_percent * 1.08 for each in shown)), _BROKEN[1], _BROKEN[0])
    networks = shown[0].networks if shown else 0
    body = [
        *_frame(f"Choosing a mirror for apk, on {networks} drawn networks ({job} job)", seconds, ratios, percents),
        *_points(shown, seconds, ratios),
        *_broken(shown, seconds, percents),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
        f'height="{_HEIGHT}" role="img"><style>{_STYLE}</style>'
        f'<rect width="100%" height="100%" class="ground"/>\n' + "\n".join(body) + "\n</svg>\n"
    )


def _frame(title: str, seconds: _Scale, ratios: _Scale, percents: _Scale) -> Iterator[str]:
    yield f'<title>{escape(title)}</title><text x="20" y="28" class="title">{escape(title)}</text>'
    at = 20.0
    for group, (words, _) in _GROUPS.items():
        yield f'<circle cx="{at + 5}" cy="50" r="5" class="{group}"/><text x="{at + 15}" y="54">{words}</text>'
        at += 35 + 6.3 * len(words)
    for value in _ticks(_SECONDS, seconds):
        x = seconds.at(value)
        yield _line(x, _REGRET[0], x, _REGRET[1]) + _line(x, _BROKEN[0], x, _BROKEN[1])
        yield f'<text x="{x:.1f}" y="{_BROKEN[1] + 18}" text-anchor="middle" class="soft">{value:g}</text>'
    for value in _RATIOS:
        if _excess(value) <= ratios.high:
            yield from _across(ratios.at(_excess(value)), f"{value:g}")
    for value in _ticks(_PERCENTS, percents):
        yield from _across(percents.at(value), f"{value:g} %")
    yield f'<text x="{_FIXED_X}" y="{_BROKEN[1] + 18}" text-anchor="middle" class="soft">none</text>'
    for x, y, anchor, words in (
        ((_LEFT + _RIGHT) / 2, _BROKEN[1] + 40, "middle", _ACROSS),
        (20, _REGRET[0] - 14, "start", _UP),
        (20, _BROKEN[0] - 14, "start", _BELOW),
    ):
        yield f'<text x="{x}" y="{y}" text-anchor="{anchor}">{escape(words)}</text>'


def _ticks(values: Sequence[float], scale: _Scale) -> list[float]:
    return [value for value in values if scale.low <= value <= scale.high]


def _line(left: float, top: float, right: float, bottom: float) -> str:
    return f'<path class="grid" d="M{left:.1f} {top:.1f}L{right:.1f} {bottom:.1f}"/>'


def _across(y: float, text: str) -> Iterator[str]:
    yield _line(_FIXED_X - 40, y, _RIGHT, y)
    yield f'<text x="{_FIXED_X - 46}" y="{y + 4:.1f}" text-anchor="end" class="soft">{text}</text>'


def _points(shown: Sequence[Figures], seconds: _Scale, ratios: _Scale) -> Iterator[str]:
    labels = _Labels()
    places = {each.strategy: (_x(each, seconds), ratios.at(_excess(each.regret.median))) for each in shown}
    for x, y in places.values():
        labels.keep_clear(x, y)
    for each in shown:
        (x, y), group = places[each.strategy], _group(each.strategy)
        right = seconds.at(each.decision.p95) if each.decision.worst else x
        top = ratios.at(_excess(each.regret.p95)) if isfinite(each.regret.p95) else _REGRET[0]
        yield f'<path class="whisker {group}" d="M{x:.1f} {y:.1f}H{right:.1f}M{x:.1f} {y:.1f}V{top:.1f}"/>'
    for each in shown:
        (x, y), group = places[each.strategy], _group(each.strategy)
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" class="{group}"/>'
        yield labels.place(each.strategy, x, y, group, _REGRET[0] - 6, _REGRET[1] + 10)


def _broken(shown: Sequence[Figures], seconds: _Scale, percents: _Scale) -> Iterator[str]:
    labels = _Labels()
    places = {each.strategy: (_x(each, seconds), percents.at(each.broken_percent)) for each in shown}
    for x, y in places.values():
        labels.keep_clear(x, y)
    for each in shown:
        (x, y), group = places[each.strategy], _group(each.strategy)
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" class="{group}"/>'
        yield labels.place(each.strategy, x, y, group, _BROKEN[0] - 6, _BROKEN[1] + 10)


def _excess(ratio: float) -> float:
    """Return what is above the best, on the scale of which the logarithm is drawn."""
    return ratio - 1 + _CLOSE


def _x(each: Figures, seconds: _Scale) -> float:
    return seconds.at(each.decision.median) if each.decision.worst else _FIXED_X


def _group(strategy: str) -> str:
    return next((group for group, (_, names) in _GROUPS.items() if strategy in names), "other")


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _quoted(value: float | str) -> str:
    return f'"{value:.1f}"' if isinstance(value, float) else f'"{value}"'
