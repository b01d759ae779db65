"""The page of counts: inference scaling, the frontier of strategies, what it costs."""

from typing import TYPE_CHECKING

from nstar.answers import Document, Table
from nstar.inference.repeated import PassAtK
from nstar.report import frontier_figure
from nstar.report.counts_facts import MORE, CountsFacts
from nstar.report.drawing import BLUE, INK, ORANGE, SOFT, band
from nstar.report.labels import legend_above
from nstar.report.sections import Section, page, picture
from nstar.wording import count, digits, flop, percent, share, shares

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NO_SIZES = "Sizes or lengths are not known, so nothing is said of what samples cost or of how to spend them: give a column N of parameters, and --tokens, the tokens of a sample."


def counts_page(facts: CountsFacts) -> str:
    """Write the page."""
    parts = [*_scaling(facts), _frontier(facts), _cost(facts), _next(facts)]
    return page("What more samples solve", facts.document, parts)


def pass_at_k_curves(ax: "Axes", estimates: PassAtK, prob: float) -> "Axes":
    """Draw pass@k of these problems and of new ones, and what was counted."""
    k = estimates.draws["k"].to_numpy()
    for name, words, colour in (
        ("new", "new problems", ORANGE),
        ("these", "these problems", BLUE),
    ):
        if name in estimates.draws:
            band(ax, k, estimates.draws[name].to_numpy(), prob, colour)
            ax.plot([], [], color=colour, label=words)
    seen = [
        (r["k"], r["counted"])
        for r in estimates.table(prob)
        if r["counted"] is not None
    ]
    if seen:
        ax.plot(*zip(*seen, strict=True), ".", color=INK, ms=4, label="counted so far")
        ax.axvspan(seen[-1][0], k[-1], color=SOFT, alpha=0.07, lw=0)
    ax.set(
        xscale="log",
        xlim=(1, k[-1]),
        ylim=(0, 1),
        xlabel="samples k of a problem",
        ylabel="pass@k",
    )
    legend_above(ax)
    return ax


def _scaling(facts: CountsFacts) -> list[Section]:
    prob = facts.document["prob"]
    words = [
        "pass@k of these very problems given their counts, and of new problems from the same population, whose band also holds which problems come. "
        f"Bands and brackets hold {percent(prob)} probability; the shaded part lies beyond the samples drawn.",
    ]
    pictures = [
        picture(
            f"passk-{i}",
            f"pass@k of {name}",
            f"Two curves with {percent(prob)} bands that rise with k: these problems, and new ones.",
            pass_at_k_curves,
            estimates,
            prob,
        )
        for i, (name, estimates) in enumerate(facts.estimates.items())
    ]
    header = ["model", "k", "these problems", "new problems", "counted so far"]
    rows = [
        [
            model["name"],
            f"{r['k']:,}",
            shares(r["these"]),
            shares(r["new"]),
            "–" if r["counted"] is None else share(r["counted"]),
        ]
        for model in facts.document["models"]
        for r in model["predictions"]
    ]
    zero = [
        (model["name"], model["zero_mass"])
        for model in facts.document["models"]
        if model["zero_mass"]
    ]
    ends = [
        [
            name,
            shares({n: zero_mass[n] for n in ("median", "lower", "upper")}),
            f"{a['k']:,}",
            share(a["new"]),
            share(b["new"]),
        ]
        for name, zero_mass in zero
        for a, b in zip(zero_mass["at_lower"], zero_mass["at_upper"], strict=True)
    ]
    never_words = "Some problems are out of reach of any number of samples. How many, n samples cannot tell from rates far below 1/n, so what is predicted of new problems is shown with that share at either end of its interval."
    return [
        Section(
            "scaling", "Inference scaling", words, pictures, [Table("", header, rows)]
        ),
        Section(
            "never",
            "Problems never solved",
            [never_words],
            (),
            [
                Table(
                    "",
                    [
                        "model",
                        "share never solved",
                        "k",
                        "pass@k at its lower end",
                        "at its upper end",
                    ],
                    ends,
                )
            ],
        ),
    ]


def _frontier(facts: CountsFacts) -> Section:
    title = "How to spend a problem's FLOP"
    if facts.spent is None:
        return Section("frontier", title, [NO_SIZES])
    document = facts.document
    prob = document["prob"]
    words = [
        "Accuracy against FLOP by each strategy, a curve a model; dotted the best of all ways. What a strategy makes of samples rests on its own assumptions (how often wrong answers agree, how well a verifier tells), which no public set vouches for.",
        "The table has the ways that none as cheap is expected to beat.",
    ]
    pictures = [
        picture(
            f"strategy-{i}",
            f"Accuracy by {name}",
            f"A curve for each model, with {percent(prob)} bands, against FLOP a problem.",
            frontier_figure.labelled_panel,
            facts.spent,
            name,
            prob,
        )
        for i, name in enumerate(frontier_figure.compared_strategies(facts.spent))
    ]
    tables = [
        _ways_table("frontier", document["frontier"], "P(none as cheap is better)")
    ]
    tables += [
        _ways_table(f"within {flop(entry['budget'])} FLOP", entry["ways"], "P(best)")
        for entry in document["within"]
    ]
    return Section("frontier", title, words, pictures, tables)


def _ways_table(what: str, ways: list[Document], best: str) -> Table:
    rows = [
        [
            flop(entry["flop"]),
            entry["model"],
            entry["strategy"],
            f"{digits(entry['amount'], 4)} {entry['unit']}",
            shares(entry["accuracy"]),
            share(entry["best"]),
        ]
        for entry in ways
    ]
    return Table(
        "",
        [f"FLOP a problem, {what}", "model", "strategy", "amount", "accuracy", best],
        rows,
    )


def _cost(facts: CountsFacts) -> Section:
    if facts.spent is None:
        return Section("cost", "What samples cost", [NO_SIZES])
    rows = [
        [
            model["name"],
            count(model["N"]),
            digits(model["tokens"], 4),
            flop(model["flop_per_token"]),
            flop(model["flop_per_sample"]),
            *(flop(k * model["flop_per_sample"]) for k in (100, 1000)),
        ]
        for model in facts.document["models"]
    ]
    header = [
        "model",
        "parameters",
        "tokens a sample",
        "FLOP a token",
        "a sample",
        "100 samples",
        "1,000 samples",
    ]
    words = [
        "2 FLOP a parameter and token of a forward pass; attention, the prompt and a verifier are left out here, and counted by nstar spend --prompt --verifier."
    ]
    return Section("cost", "What samples cost", words, (), [Table("", header, rows)])


def _next(facts: CountsFacts) -> Section:
    words = [
        f"Where {MORE} more samples of a problem would take away most of what is unknown of pass@k of these problems at the largest k, by what the problem has shown so far."
    ]
    rows = [
        [
            model["name"],
            f"{entry['successes']} of {entry['samples']}",
            str(entry["problems"]),
            share(entry["share"]),
            share(entry["removed"] / entry["variance"] if entry["variance"] else 0.0),
        ]
        for model in facts.document["models"]
        for entry in model["next_samples"]
    ]
    header = [
        "model",
        "solved so far",
        "problems",
        "share of what is unknown",
        "taken away",
    ]
    return Section(
        "next", "Where the next samples help most", words, (), [Table("", header, rows)]
    )
