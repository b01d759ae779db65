"""The headline and the tables of the runs to make next."""

from collections.abc import Iterator

from nstar.answers import Document, Table
from nstar.design.sweep import as_csv
from nstar.wording import count, counts, digits, flop, money, numbers, percent

NONE = "–"


def headline(document: Document) -> str:
    """The large run, and how much of its expected regret the steps leave."""
    action, steps = document["action"], document["steps"]
    if not action:
        return ""
    after = (
        f"; after {len(steps)} steps of {flop(document['spent'])} FLOP {digits(steps[-1]['regret_left'], 2)} on average"
        if steps
        else ""
    )
    return (
        f"At {flop(document['target'])} FLOP the run of least expected loss has {count(action['N'])} parameters on {count(action['D'])} tokens. "
        f"Its expected regret is {digits(document['before']['regret'], 2)} of loss{after}."
    )


def steps(document: Document, prob: float) -> Iterator[Table | str]:
    """Each step given those before it, when to stop, and the sweep to paste."""
    before, steps = document["before"], document["steps"]
    rows = [
        [
            str(s["step"]),
            str(s["round"]),
            _runs(s["runs"]),
            flop(s["C"]),
            *(
                [numbers(s["runs"][0]["expected"], 4)]
                if len(s["runs"]) == 1 and s["runs"][0]["expected"]
                else [NONE]
            ),
            digits(s["saved"], 2),
            NONE if s["worth"] is None else flop(s["worth"]),
            _ratio(s["worth_per_cost"]),
            digits(s["sd_left"], 2),
            f"{s['log_N_sd_left']:.3f}",
            *_money(s),
        ]
        for s in steps
    ]
    header = [
        "step",
        "round",
        "runs (N on D)",
        "FLOP it costs",
        "loss it would measure",
        "loss it saves",
        "worth (FLOP)",
        "worth / cost",
        "sd of loss left",
        "sd of log N* left",
    ]
    if steps and steps[0]["takes"]:
        header += ["accelerator-hours"] + (
            [f"cost ({document['currency']})", f"worth ({document['currency']})"]
            if steps[0]["takes"]["cost"]
            else []
        )
    yield Table(
        f"{document['candidates']} candidates; each step given those before it; intervals are {percent(prob)} equal-tailed, with run noise",
        header,
        rows,
    )
    yield (
        f"Before them the loss of the large run has sd {digits(before['sd'], 2)} and log N* {before['log_N_sd']:.3f}: the law's, without run noise."
    )
    yield _stopping(document)
    if document["bill"]:
        yield document["bill"]
    yield "The sweep:"
    yield from as_csv(document["sweep"]).splitlines()


def _stopping(document: Document) -> str:
    steps, stop = len(document["steps"]), document["stop_after"]
    if not document["action"]:
        return (
            "The law has no loss, so nothing says what a run is worth and when to stop."
        )
    if not steps:
        return "No run adds anything to what is known."
    if stop == steps:
        return "Every step is worth more than it costs: the FLOP that would save as much loss at the target exceed its own."
    return f"Stop after step {stop}: the next costs more than it is worth, the FLOP that would save as much loss at the target."


def _runs(runs: list[Document]) -> str:

    if len(runs) == 1:
        return f"{count(runs[0]['N'])} on {count(runs[0]['D'])}"
    sizes = sorted(r["N"] for r in runs)
    return f"profile of {len(runs)}: {count(sizes[0])} to {count(sizes[-1])}"


def _ratio(value: float | None) -> str:

    return NONE if value is None else digits(value, 2)


def _money(step: Document) -> list[str]:
    """Cells of a step's hours and money, and of the money of the FLOP it is worth."""
    if not step["takes"]:
        return []
    hours = [counts(step["takes"]["hours"])]
    if not step["takes"]["cost"]:
        return hours
    worth = step["worth_takes"]
    return [
        *hours,
        money(step["takes"]["cost"]),
        money(worth["cost"]) if worth else NONE,
    ]
