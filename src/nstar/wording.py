"""Numbers, names and unknowns as people read them."""

import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from nstar.intervals import Interval
from nstar.verdicts import Check

SCALES = ((1e12, "T"), (1e9, "B"), (1e6, "M"))
FLOP_FROM = 1e16  # from here on a bare number in a sentence is FLOP, not tokens
LONGEST_NAME = 80  # letters of a data set's name before it is cut
UNKNOWNS = {
    "alpha1": "exponent of N* in C, before any bend",
    "alpha2": "exponent of D* in C, before any bend",
    "tokens_per_parameter": "D*/N* at the reference budget, before any bend",
    "alpha1_bent": "slope of log N* over the runs, bend included",
    "tokens_per_parameter_bent": "D*/N* at the reference budget, bend included",
    "flop_per_param_token": "C/(N* D*) at the reference budget",
    "level": "loss at the reference run or budget",
    "floor_share": "share of that loss no run removes",
    "size_share": "share of the rest that size removes",
    "exponent_sum": "alpha + beta",
    "coupling": "common power k of the two terms",
    "break_at": "log compute of the break, from the reference run's",
    "break_ratio": "exponent after the break over that before",
    "break_width": "width of the break in log compute",
    "gamma_before": "exponent of L* - E in C before the break",
    "gamma_after": "exponent of L* - E in C after the break",
    "endless_share": "share of that loss which endless data leaves",
    "endless_slope": "exponent in N of what endless data leaves",
    "endless_bend": "bend of that in log N",
    "data_slope": "slope of the log of the data term in log N",
    "data_bend": "bend of that in log N",
    "beta_slope": "slope of log beta in log N",
    "beta_bend": "bend of that in log N",
    "a_1": "Farseer's, of the exponent of D",
    "b_1": "Farseer's, of the exponent of D",
    "a_2": "Farseer's, of the data term",
    "b_2": "Farseer's, of the data term",
    "a_3": "Farseer's, of what endless data leaves",
    "b_3": "Farseer's, of what endless data leaves",
    "eta": "exponent of L - E in C at fixed D/N",
    "a": "size term at C = 1 and D/N = 1",
    "b": "data term at C = 1 and D/N = 1",
    "N_c": "parameters that alone give a loss of one",
    "D_c": "tokens that alone give a loss of one",
    "R_D": "epochs after which repeated tokens lose their worth",
    "R_N": "excess size after which parameters lose their worth",
    "expert_worth": "exponent of the effective size in total over active",
    "expert_fade": "its fall with log N",
    "parent_worth": "worth of a dense parent's token, in the mixture's own",
    "expert_limit": "expansion at which experts saturate",
    "normalised_level": "normalised loss at the reference run",
    "reducible": "nats of it that runs can remove",
    "vocabulary_share": "share of those that vocabulary removes",
    "alpha_v": "exponent of the loss in vocabulary parameters",
    "A_v": "vocabulary term at N_v = 1",
    "weight_decay_bits": "bits over which weights lose their worth",
    "weight_power": "power of that loss",
    "activation_decay_bits": "bits over which activations lose their worth",
    "activation_power": "power of that loss",
    "worth_of_4_bits": "full parameters one of 4 bits does for",
    "sparse_share": "share of the size term that zeros remove",
    "sparse_exponent": "exponent of that in the share not zero",
    "a_S": "size term at N = 1 that zeros remove",
    "c_S": "size term at N = 1 that zeros leave",
    "alpha": "exponent of the loss in N",
    "beta": "exponent of the loss in D",
    "gamma": "exponent in C of the part that falls",
    "E": "irreducible loss",
    "A": "size term at N = 1",
    "B": "data term at D = 1",
    "F": "falling term at C = 1",
    "curvature": "curvature of the profiles' reducible loss in log D",
    "curvature_slope": "exponent of that curvature in C",
    "curvature_scatter": "its scatter between budgets (log)",
    "skew": "lean of the profiles",
    "scatter": "of the budgets' optima in log D",
    "level_scatter": "of the budgets' least loss (log)",
    "bend_optimum": "how far log D* bends from its power law",
    "bend_along": "how far the log loss bends along compute",
    "bend_tokens": "how far it bends along tokens",
    "bend_across": "how far it bends across compute and D/N",
    "bend_local": "how far it bends at single runs, at the largest run",
    "sigma": "scale of the run noise (log)",
    "sigma_N": "scatter of log N*",
    "sigma_D": "scatter of log D*",
    "correlation": "of the scatter of log N* and log D*",
    "floor": "accuracy of a model that knows nothing",
    "rise": "share of the way from there to one come at the reference loss",
    "room": "share of the rest that the ceiling has above it",
    "width": "part of the reference loss, or nll, over which accuracy rises e-fold",
    "curve": "power of the loss, or nll, in the sigmoid",
    "log_odds": "log-odds of a sample solving a problem",
    "ease": "how easily problems are solved: log-odds of the mean of p^2a, above those at p = 0.03",
    "tail_bend": "how fast the tail's exponent dies away (above 0) or rises (below), per e-fold of the rate",
    "tail": "exponent a of the problems hardly ever solved: 1 - pass@k falls as k^-a",
    "solved": "pass@k at the reference k",
    "pass_1": "pass@1 of the population",
    "beta_b": "b of the Beta of the rates, whose a is the tail",
    "coverage_a": "a of pass@k = exp(a k^b)",
    "coverage_b": "b of pass@k = exp(a k^b)",
    "bend_compute": "FLOP at which the error has left guessing",
    "error_floor": "error that no compute removes",
    "stream_worth": "k: what ln P of parallel streams adds to a model's size, in sizes",
    "error": "error at the reference model",
    "error_floor_share": "share of the reference error that nothing removes",
    "chance_error": "error of guessing",
    "slope": "fall of the log of the error with that of compute, at the reference",
    "chance_room": "share of the room above the reference error that guessing has",
    "fid": "FID at the reference compute",
    "fid_floor_share": "share of that FID which no compute removes",
    "zero_root": "sixth root of the share of problems that no number of samples solves",
    "zero_mass": "share of problems beyond reach: never solved, or less than once in a million samples",
    "slope_ease": "rise of the ease with log N",
    "slope_tail": "rise of the log of the tail's exponent with log N",
    "slope_zero": "rise of the log-odds of the zero mass with log N",
    "scatter_ease": "models' scatter of the ease about its line",
    "scatter_tail": "models' scatter of the log of the tail's exponent",
    "offset_ease": "each model's distance from the line of ease, in scatters",
    "offset_tail": "each model's distance from the line of tails, in scatters",
    "ceiling": "accuracy where the loss is as low as can be",
    "middle": "loss, or nll, half way from floor to ceiling",
    "nll_level": "the task's nll at the reference loss",
    "nll_power": "power of the loss that the task's nll follows",
    "sigma_nll": "scatter of the task's nll about the loss's (log)",
    "sigma_accuracy": "scatter of accuracy, over sqrt(p (1 - p))",
    "nu": "Student-t degrees of freedom",
    "between": "scatter that runs of a group share (log)",
    "misfit": "scatter that repeated runs share (log)",
    "excess": "mean by which tuning makes a run worse (log)",
    "growth": "exponent of the noise's growth toward small compute",
}


def unknown(name: str) -> str:
    """Say what an unknown is; a spread between groups is that of the unknown it names."""
    if name.startswith("spread_"):
        return "its spread between groups (sd of a log or logit)"
    return UNKNOWNS.get(name, "")


def count(value: float, n: int = 3) -> str:
    """Write parameters or tokens with so many digits: 406B, 15.6T."""
    for scale, letter in SCALES:
        if value >= scale * (1 - 0.5 * 10**-n):
            return f"{digits(value / scale, n)}{letter}"
    return digits(value, n)


def digits(value: float, n: int) -> str:
    """Write n significant digits, plainly between 0.0001 and a million."""
    if value == 0:
        return "0"
    text = f"{value:.{n}g}"
    if 1e-4 <= abs(float(text)) < 1e6:
        return f"{float(text):.0f}" if "e" in text else text
    mantissa, exponent = f"{value:.{n - 1}e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def three(value: float) -> str:
    """Write three significant digits."""
    return digits(value, 3)


def share(value: float) -> str:
    """Write a part of a whole: 32%, 0.3%, 99.96%, as near to an end as it is."""
    near = 100 * min(value, 1 - value)
    if near <= 0:
        return "0%" if value < 0.5 else "100%"
    places = max(0, -math.floor(math.log10(near) + 1e-9))
    if places > 3:
        return "<0.001%" if value < 0.5 else ">99.999%"
    return f"{100 * value:.{places}f}%"


def shares(interval: Interval | dict[str, float]) -> str:
    """Write a median part of a whole and its interval: 32% [0.3%, 97%]."""
    i = interval if isinstance(interval, Interval) else Interval(**interval)
    return f"{share(i.median)} [{share(i.lower)}, {share(i.upper)}]"


def flop(value: float) -> str:
    """Write a budget: 3.8e25."""
    mantissa, exponent = f"{value:.3e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def amount(value: float) -> str:
    """Write an input of a run: 3.8e25 FLOP, 1000 samples, 7B parameters."""
    return flop(value) if value >= FLOP_FROM else count(value, 4)


def counts(interval: Interval | dict[str, float]) -> str:
    """Write a median and its interval: 406B [278B, 602B]."""
    i = interval if isinstance(interval, Interval) else Interval(**interval)
    return f"{count(i.median)} [{count(i.lower)}, {count(i.upper)}]"


def numbers(interval: Interval | dict[str, float], n: int = 3) -> str:
    """Write a median and its interval with so many significant digits."""
    i = interval if isinstance(interval, Interval) else Interval(**interval)
    return f"{digits(i.median, n)} [{digits(i.lower, n)}, {digits(i.upper, n)}]"


NUMBER = re.compile(r"(?<![\w.-])(\d(?:\.\d+)?e\+\d+)(?=(\s*FLOP)?)")


def plain(sentence: str) -> str:
    """Rewrite 3.8e+25 FLOP as 3.8e25 FLOP and 1.59e+13 tokens as 15.9T tokens."""

    def write(found: re.Match[str]) -> str:
        value = float(found[1])
        return flop(value) if found[2] or value >= FLOP_FROM else count(value)

    return NUMBER.sub(write, sentence)


def plainly(checks: list[Check]) -> list[Check]:
    """Rewrite the numbers in what checks say, and say no check twice."""
    said = (check._replace(detail=plain(check.detail)) for check in checks)
    return list(dict.fromkeys(said))


def visible(text: str) -> str:
    """Put a sign in place of control and direction marks that names may smuggle in."""
    return "".join(
        "\N{REPLACEMENT CHARACTER}"
        if unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
        else letter
        for letter in text
    )


def shown(name: str) -> str:
    """Show a name from outside on one line, cut in its middle where it is long."""
    name = visible(name)
    if len(name) <= LONGEST_NAME:
        return name
    half = LONGEST_NAME // 2
    return f"{name[:half]}…{name[-half:]}"


def epochs(run: Mapping[str, Any]) -> str:
    """Say how often a run sees its unique tokens, where that was asked."""
    if run["epochs"] is None:
        return ""
    return ", one epoch" if run["epochs"] == 1 else f", {run['epochs']:.3g} epochs"


def beyond(decades: float | None) -> str:
    """Say how far a run lies beyond the largest."""
    if decades is None:
        return "unknown"
    return f"{decades:.1f} decades" if decades > 0 else "no"


def percent(prob: float) -> str:
    """Write a probability as people say it: 90%, 99.5%."""
    return f"{100 * prob:.10g}%"


QUANTITIES = {
    "N": "N* (parameters)",
    "D": "D* (tokens)",
    "tokens_per_parameter": "tokens per parameter",
    "loss": "loss",
}


def beside(
    budgets: list[dict[str, Any]],
    exponents: dict[str, Any],
    over: tuple[float, float] | None = None,
) -> list[list[str]]:
    """Rows of a comparison: budget, quantity, ours, theirs, their ratio, credible level."""
    entries = [
        (flop(record["C"]), words, name, record[name])
        for record in budgets
        for name, words in QUANTITIES.items()
    ]
    where = f"{flop(over[0])} to {flop(over[1])}" if over else "any"
    entries += [(where, f"exponent of {n}*", "", exponents[n]) for n in ("N", "D")]
    rows = []
    for budget, words, name, entry in entries:
        many, one = (counts, count) if name in {"N", "D"} else (numbers, three)
        ours, theirs = entry["posterior"], entry["published"]
        rows.append(
            [
                budget,
                words,
                many(ours) if ours else "–",
                "not published" if theirs is None else one(theirs),
                numbers(entry["ratio"]) if entry["ratio"] else "–",
                f"{entry['credible_level']:.2f}" if entry["ratio"] else "–",
            ]
        )
    return rows
