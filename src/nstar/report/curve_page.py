"""The page of a curve: its figures and tables, from what was gathered."""

from typing import TYPE_CHECKING, Any

import numpy as np

from nstar.fits.unknown_words import describe_unknown
from nstar.report import held_out
from nstar.report.curve_facts import CurveFacts
from nstar.report.drawing import BLUE, INK, ORANGE, PURPLE, SOFT, Label, name_ends
from nstar.report.sections import Picture, Section, page, picture
from nstar.report.tables import Table
from nstar.scores import quantiles
from nstar.validation.backtest import HeldOut
from nstar.validation.curve_checks import ENDS
from nstar.wording import amount, digits, numbers, percent, three

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BANDS = (0.5, 0.8, 0.95)
AXES = {
    "C": "training compute C (FLOP)",
    "k": "samples k of a problem",
    "T": "tokens T",
    "forward_flop": "FLOP of a forward pass",
    "N": "parameters N",
}


def curve_page(facts: CurveFacts) -> str:
    """Write the page."""
    what = facts.document["response"]["named"]
    parts = [_curve(facts), _ends(facts), _held(facts), _published(facts)]
    return page(
        f"What {facts.along} buys of {what}", facts.document, [p for p in parts if p]
    )


def bands(ax: "Axes", facts: CurveFacts) -> "Axes":
    """Draw the law with nested bands, the runs, published curves and the target."""
    labels = []
    for prob in sorted(BANDS, reverse=True):
        low, high = quantiles(facts.line, prob)
        ax.fill_between(facts.x, low, high, color=BLUE, alpha=0.18, lw=0)
    middle = np.median(facts.line, axis=0)
    ax.plot(facts.x, middle, color=BLUE, lw=1.8)
    labels.append(Label(float(facts.x[-1]), float(middle[-1]), "ours", BLUE))
    y = facts.fit.runs[facts.fit.law.response.columns[0]]
    ax.plot(facts.fit.runs[facts.along], y, ".", color=INK, ms=4, alpha=0.6)
    for name, x, theirs in facts.published:
        ax.plot(x, theirs, color=PURPLE, lw=1.2, ls="--")
        labels.append(Label(float(x[-1]), float(theirs[-1]), name, PURPLE))
    if facts.met:
        ax.axhline(facts.met.target, color=ORANGE, lw=1.1, ls="--")
        labels.append(
            Label(
                float(facts.x[-1]),
                facts.met.target,
                f"target {facts.met.target:g}",
                ORANGE,
            )
        )
    ax.axvspan(
        float(facts.fit.runs[facts.along].max()),
        facts.x[-1],
        color=SOFT,
        alpha=0.07,
        lw=0,
    )
    response = facts.document["response"]
    ax.set(
        xscale="log",
        xlim=(facts.x[0], facts.x[-1]),
        xlabel=AXES.get(facts.along, facts.along),
        ylabel=response["named"],
    )
    shown = [*y, *np.ravel(quantiles(facts.line, max(BANDS)))]
    ax.set_ylim(0.95 * min(shown), 1.03 * max(shown))
    name_ends(ax, [one for one in labels if one.y <= 1.03 * max(shown)])
    return ax


def _apart(ax: "Axes", outcome: HeldOut) -> "Axes":
    """Draw what was predicted of held-out runs, and what came."""
    held_out.panel(ax, held_out.of_outcome("held out", outcome))
    ax.set(
        xlabel="held-out runs, smallest first",
        ylabel=f"measured less predicted, 0.01 {outcome.response.unit}",
    )
    return ax


def _curve(facts: CurveFacts) -> Section:
    document = facts.document
    what, prob = document["response"]["named"], percent(document["prob"])
    drawn = picture(
        "curve",
        f"{what} against {AXES.get(facts.along, facts.along)}",
        f"The median inside bands of {', '.join(map(percent, BANDS))} probability; runs as points, published curves dashed.",
        bands,
        facts,
    )
    rows = [
        [
            *(amount(v) for v in r["at"].values()),
            numbers(r["law"]),
            numbers(r["measured"]),
        ]
        for r in document["predictions"]
    ]
    tables = [
        Table(
            [
                *document["predictions"][0]["at"],
                f"{what} of the law",
                "measured, with scatter",
            ],
            rows,
        )
    ]
    words = [
        f"The law without scatter, in bands of {', '.join(map(percent, BANDS))} probability; dots are runs, the shaded part lies beyond the largest. Median [{prob} equal-tailed credible interval]."
    ]
    target = document["target"]
    if target:
        ends = [target["crossing"][n] for n in ("lower", "median", "upper")]
        head = [
            f"{what} {target['target']:g}",
            f"{facts.along} with probability {percent(target['chance'])}",
            "median",
            f"{prob} interval",
        ]
        far = f"beyond {amount(target['up_to'])}"
        low, middle, high = (amount(v) if v else far for v in ends)
        tables.append(
            Table(
                head,
                [
                    [
                        "first reached at",
                        amount(target["at"]) if target["at"] else far,
                        middle,
                        f"{low} to {high}",
                    ]
                ],
            )
        )
    return Section("curve", f"What {facts.along} buys", words, [drawn], tables)


def _ends(facts: CurveFacts) -> Section:
    document = facts.document
    words = []
    chance = getattr(facts.fit.law, "chance", None)
    if chance is not None:
        words.append(
            f"Guessing is taken as right in {digits(chance, 3)} of cases, as stated (--law); the curve starts there."
        )
    told = document["ends"]
    of_prior = [ENDS[n] for n, known in told.items() if not known]
    if of_prior:
        words.append(
            f"The prior speaks for {' and '.join(of_prior)}: these runs say little of it, and far beyond them the curve is what the prior makes of it."
        )
    rows = [
        [
            name,
            describe_unknown(name),
            f"{three(u['mean'])} [{three(u['lower'])}, {three(u['upper'])}]",
            ("the runs" if told[name] else "its prior") if name in told else "–",
        ]
        for name, u in document["unknowns"].items()
    ]
    return Section(
        "rests",
        "What the curve rests on",
        words,
        (),
        [Table(["unknown", "what it is", "mean [interval]", "told by"], rows)],
    )


def _held(facts: CurveFacts) -> Section:
    if not facts.held:
        why = (
            facts.document["not_tested"]
            or "no run is left to learn from where the largest are held out"
        )
        return Section("held-out", "Held-out runs", [f"Not tested: {why}."])
    drawn: list[Picture] = [
        picture(
            f"held-{i}",
            f"The top {o.split.decades:g} decades held out",
            f"{len(o.split.test)} held-out runs about their prediction with 50% and 90% intervals.",
            _apart,
            o,
            size=(5.0, 3.0),
        )
        for i, o in enumerate(facts.held)
    ]
    rows = [
        [
            f"{r['hold_out_decades']:g}",
            str(r["n_train"]),
            str(r["n_test"]),
            percent(round(r["coverage"]["0.9"], 2)),
            three(r["width"]["0.9"]),
            three(r["crps"]),
            three(r["bias"]),
        ]
        for r in facts.document["held_out"]
    ]
    header = [
        "decades held out",
        "runs: train",
        "test",
        "inside 90% intervals",
        "width of them",
        "CRPS",
        "bias",
    ]
    words = [
        "The same law fitted to the smaller of these runs, and what it said of the larger: intervals are of measured runs, on the scale the law is fitted on."
    ]
    return Section("held-out", "Held-out runs", words, drawn, [Table(header, rows)])


def _published(facts: CurveFacts) -> Section | None:
    held: list[dict[str, Any]] = facts.document["published"]
    if not held:
        return None
    rows = [
        [
            p["id"],
            *(amount(v) for v in r["at"].values()),
            numbers(r["posterior"]),
            digits(r["published"], 3),
            numbers(r["ratio"]),
            f"{r['credible_level']:.2f}",
        ]
        for p in held
        for r in p["curve"]
    ]
    header = [
        "published",
        *held[0]["curve"][0]["at"],
        "ours",
        "theirs",
        "ours / theirs",
        "credible level of theirs",
    ]
    words = [p["sentence"] for p in held] + [
        f"{p['id']}: {p['law_form']}, {p['citation']}" for p in held
    ]
    return Section(
        "published", "Beside published curves", words, (), [Table(header, rows)]
    )
