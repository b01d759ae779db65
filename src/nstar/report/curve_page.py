"""The page of a curve: its figures and tables, from its facts."""

from typing import TYPE_CHECKING

import numpy as np

from nstar.answers import Document, Table
from nstar.fits.unknown_words import describe_unknown
from nstar.report.curve_facts import CurveFacts
from nstar.report.drawing import BLUE, INK, ORANGE, PURPLE, SOFT
from nstar.report.held_out_figure import from_outcome, labelled_panel
from nstar.report.labels import Label, write_names
from nstar.report.sections import Picture, Section, page, picture
from nstar.scores import quantiles
from nstar.validation.curve_checks import ENDS
from nstar.wording import amount, digits, numbers, percent, standing, three

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
    name = facts.document["response"]["named"]
    parts = [_curve(facts), _ends(facts), _hold_outs(facts), _published(facts)]
    return page(
        f"What {facts.along} buys of {name}", facts.document, [p for p in parts if p]
    )


def bands(ax: "Axes", facts: CurveFacts) -> "Axes":
    """Draw the law with nested bands, the runs, published curves and the target."""
    labels = []
    for prob in sorted(BANDS, reverse=True):
        low, high = quantiles(facts.curve, prob)
        ax.fill_between(facts.x, low, high, color=BLUE, alpha=0.18, lw=0)
    middle = np.median(facts.curve, axis=0)
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
    shown = [*y, *np.ravel(quantiles(facts.curve, max(BANDS)))]
    ax.set_ylim(0.95 * min(shown), 1.03 * max(shown))
    write_names(ax, [label for label in labels if label.y <= 1.03 * max(shown)])
    return ax


def _curve(facts: CurveFacts) -> Section:
    document = facts.document
    name, prob = document["response"]["named"], percent(document["prob"])
    pictures = picture(
        "curve",
        f"{name} against {AXES.get(facts.along, facts.along)}",
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
            "",
            [
                *document["predictions"][0]["at"],
                f"{name} of the law",
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
        header = [
            f"{name} {target['target']:g}",
            f"{facts.along} with probability {percent(target['chance'])}",
            "median",
            f"{prob} interval",
        ]
        beyond = f"beyond {amount(target['up_to'])}"
        low, middle, high = (amount(v) if v else beyond for v in ends)
        tables.append(
            Table(
                "",
                header,
                [
                    [
                        "first reached at",
                        amount(target["at"]) if target["at"] else beyond,
                        middle,
                        f"{low} to {high}",
                    ]
                ],
            )
        )
    return Section("curve", f"What {facts.along} buys", words, [pictures], tables)


def _ends(facts: CurveFacts) -> Section:
    document = facts.document
    words = []
    guess = getattr(facts.fit.law, "chance", None)
    if guess is not None:
        words.append(
            f"Guessing is taken as right in {digits(guess, 3)} of cases, as stated (--law); the curve starts there."
        )
    ends_informed = document["ends"]
    of_prior = [ENDS[n] for n, informed in ends_informed.items() if not informed]
    if of_prior:
        words.append(
            f"The prior speaks for {' and '.join(of_prior)}: these runs say little of it, and far beyond them the curve is what the prior makes of it."
        )
    rows = [
        [
            name,
            describe_unknown(name),
            f"{three(u['mean'])} [{three(u['lower'])}, {three(u['upper'])}]",
            ("the runs" if ends_informed[name] else "its prior")
            if name in ends_informed
            else "–",
        ]
        for name, u in document["unknowns"].items()
    ]
    return Section(
        "rests",
        "What the curve rests on",
        words,
        (),
        [Table("", ["unknown", "what it is", "mean [interval]", "told by"], rows)],
    )


def _hold_outs(facts: CurveFacts) -> Section:
    if not facts.hold_outs:
        why = (
            facts.document["not_tested"]
            or "no run is left to learn from where the largest are held out"
        )
        return Section("held-out", "Held-out runs", [f"Not tested: {why}."])
    pictures: list[Picture] = [
        picture(
            f"held-{i}",
            f"The top {o.split.decades:g} decades held out",
            f"{len(o.split.test)} held-out runs about their prediction with 50% and 90% intervals.",
            labelled_panel,
            from_outcome("held out", o),
            "held-out runs, smallest first",
            size=(5.0, 3.0),
        )
        for i, o in enumerate(facts.hold_outs)
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
    return Section(
        "held-out", "Held-out runs", words, pictures, [Table("", header, rows)]
    )


def _published(facts: CurveFacts) -> Section | None:
    comparisons: list[Document] = facts.document["published"]
    if not comparisons:
        return None
    rows = [
        [
            p["id"],
            *(amount(v) for v in r["at"].values()),
            numbers(r["posterior"]),
            digits(r["published"], 3),
            numbers(r["ratio"]),
            standing(r["credible_level"], facts.document["prob"]),
        ]
        for p in comparisons
        for r in p["curve"]
    ]
    header = [
        "published",
        *comparisons[0]["curve"][0]["at"],
        "ours",
        "theirs",
        "ours / theirs",
        "theirs lies",
    ]
    words = [p["sentence"] for p in comparisons] + [
        f"{p['id']}: {p['law_form']}, {p['citation']}" for p in comparisons
    ]
    return Section(
        "published", "Beside published curves", words, (), [Table("", header, rows)]
    )
