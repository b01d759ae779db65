"""The largest risks of a decision in words: first what makes numbers untrue, then losses by size."""

from collections.abc import Iterator
from typing import NamedTuple

from nstar.answers import Document
from nstar.predictions.distances import FAR
from nstar.validation.hindsight import COVERED
from nstar.verdicts import Status
from nstar.wording import count, digits, flop, percent, share

MOST = 3


class Threat(NamedTuple):
    """One thing that can go wrong."""

    rank: int  # 0 where no number may be relied on, 1 where an interval may not hold, 2 a loss
    stake: float  # within its rank: decades, tokens, loss
    text: str


def largest_risks(document: Document) -> list[str]:
    """Describe the largest risks of a report's decision, the largest first.

    Args:
        document: of the report, with its checks, held-out runs, risks and universes.
    """
    threats = [
        *_failures(document),
        *_distance(document),
        *_held_out(document),
        *_tokens(document),
        *_other_choices(document),
        *_loss(document),
    ]
    threats.sort(key=lambda threat: (threat.rank, -threat.stake))
    return [threat.text for threat in threats[:MOST]]


def _failures(document: Document) -> Iterator[Threat]:
    for check in document["checks"]:
        if check["status"] == Status.FAIL:
            yield Threat(0, 1.0, f"A check FAILs. {check['name']}: {check['detail']}.")


def _distance(document: Document) -> Iterator[Threat]:
    reach = document["evidence"]
    if reach["decades_beyond"] > FAR:
        yield Threat(
            1,
            reach["decades_beyond"],
            f"The budget is {digits(10 ** reach['decades_beyond'], 2)} times the compute of the largest run "
            f"({flop(reach['largest'], 3)} FLOP). No run tests the law that far out; if it bends there, the loss and the size may be "
            "off by more than their intervals say.",
        )


def _held_out(document: Document) -> Iterator[Threat]:
    level = "0.9"
    for trial in document["held_out"]:
        covered = trial["coverage"][level]
        if covered < COVERED:
            yield Threat(
                1,
                float(level) - covered,
                f"Predicting its own largest runs, the {trial['route']} had {share(covered)} of them inside intervals "
                f"that should have {percent(float(level))}: its intervals are too narrow, and farther out the more so.",
            )


def _tokens(document: Document) -> Iterator[Threat]:
    limits, decision = (
        document["evidence"]["tokens_per_parameter"],
        document["decision"],
    )
    if limits is None:
        return
    ratio = decision["D"] / decision["N"]
    if not limits[0] <= ratio <= limits[1]:
        yield Threat(
            1,
            0.0,
            f"The run has {digits(ratio, 3)} tokens per parameter, and the runs have {digits(limits[0], 3)} to "
            f"{digits(limits[1], 3)}: nothing like it was measured.",
        )


def _other_choices(document: Document) -> Iterator[Threat]:
    """The worst of the other laws, priors, noises and choices of runs; else of the routes."""
    rivals = [u for u in document["universes"] if u["expected_regret"] is not None]
    if not rivals:
        return
    worst = max(rivals, key=lambda u: u["expected_regret"])
    yield Threat(
        2,
        worst["expected_regret"],
        f"If another analysis is right (the worst tried: {worst['name']}), the best size is {count(worst['N']['median'])} and this run "
        f"gives away {digits(worst['expected_regret'], 2)} of loss on average.",
    )


def _loss(document: Document) -> Iterator[Threat]:
    if not document["risk"]:
        yield Threat(
            2,
            0.0,
            "These runs have no loss on either side of the optimum: what a wrong size would give away is unknown.",
        )
        return
    risk = document["risk"][0]
    run = risk["actions"][0]
    over = run["expected_shortfall"] - run["loss"]["median"]
    yield Threat(
        2,
        over,
        f"With a chance of {percent(round(1 - risk['level'], 6))} the loss is above {digits(run['value_at_risk'], 4)}, and then "
        f"{digits(run['expected_shortfall'], 4)} on average, where {digits(run['loss']['median'], 4)} is expected.",
    )
    yield Threat(
        2,
        run["expected_regret"],
        f"The best size is not known, which gives away {digits(run['expected_regret'], 2)} of loss on average, as if "
        f"{share(round(run['expected_wasted'] / run['C'], 2))} of the compute were not there.",
    )
