"""What the words of pages and commands mean, in one or two sentences each."""

import re
from collections.abc import Iterable, Mapping

DEFINITIONS: Mapping[str, str] = {
    "additive law": "L = E + A/N^alpha + B/D^beta (Hoffmann et al. 2022), the loss surface that most people fit.",
    "baseline": "of recipes: the one that others are compared with.",
    "bend": "a smooth departure of a law from its form, of a size that the runs decide and beyond them the prior.",
    "compute wasted": "FLOP of a run that the best run would not need for the same loss.",
    "credible interval": "holds a quantity with the stated probability, given the runs, the law and the priors; as much is missed below as above.",
    "credible level": "probability of our smallest interval that holds another value: near 0 it lies in our middle, near 1 far out.",
    "decade": "a factor of ten in compute.",
    "divergent transition": "a step at which the sampler lost its way; part of the answer may be missing.",
    "D*": "training tokens of the best run that a budget buys; see N*.",
    "draw": "one set of values that the law's unknowns may have, given the runs; answers are worked out for each of thousands.",
    "effective draws": "how many independent draws would say as much.",
    "expected shortfall": "mean loss, or cost, in the worst tenth of draws.",
    "FLOP": "floating-point operations; training takes about 6 for every parameter and token.",
    "goodput": "share of the booked time in which training steps count.",
    "hold-out": "the largest runs predicted from the smaller ones alone, and compared with what was measured.",
    "irreducible loss": "the loss E that no run goes below, however large.",
    "isoFLOP profile": "runs of one budget and several sizes; the least loss shows the budget's best size.",
    "loss surface": "the route that fits one law of size and tokens to all runs.",
    "L*": "the loss of each draw's own best run.",
    "measured optimum": "the size of least loss at a measured budget; the route of that name fits a line to these.",
    "MFU": "model FLOP utilisation: share of an accelerator's peak that training reaches.",
    "mixture": "the routes that have a loss, averaged; one weighs more where it predicted held-out runs better.",
    "multiplier": "how many times the FLOP of a recipe its baseline needs for the same loss; above one the recipe is better.",
    "N*": "parameters of the best run that a budget buys; no one run is best under all draws, so it has an interval.",
    "pilot": "a smaller run made first, because what it teaches is worth more than it costs.",
    "posterior predictive p": "how often runs simulated from the law look as odd as the real ones; near 0 it does not fit.",
    "prior": "what is taken to be likely of an unknown before any run is looked at.",
    "recipe": "a way of training, of an architecture on some data, whose runs are one ladder.",
    "recommended run": "the one run to train: of least expected loss over all draws.",
    "regret": "loss given away against the run that would have been best; its mean is what knowing the law would save.",
    "REVIEW": "a check to read before acting; at a FAIL the numbers are not to be acted on.",
    "R-hat": "whether the sampler's chains agree; 1.01 is let pass.",
    "route": "a way from the runs to a budget's best size: isoFLOP profiles, measured optima, a loss surface.",
    "run noise": "scatter of measured losses about the law, from seeds, schedules and evaluation.",
    "value at risk": "the loss, or cost, that is exceeded in one draw of ten.",
    "verdict": "go, pilot first or do not, by a rule that is printed with it.",
    "worth": "of a run to make first: the FLOP that would lower the large run's expected loss by as much.",
}
PLURALS = {
    "measured optimum": "measured optima",
    "effective draws": "effective draws",
    "expected shortfall": "shortfall",
}


def defined_in(texts: Iterable[str]) -> list[str]:
    """Name the terms that texts use, in the order of the alphabet."""
    used = {name for text in texts for name in _FORMS if _FORMS[name].search(text)}
    return sorted(used, key=str.lower)


def first_use(term: str, text: str) -> re.Match[str] | None:
    """Find where a text first uses a term, in the singular or the plural."""
    return _FORMS[term].search(text)


def nearest(word: str) -> list[str]:
    """Name the terms that a word may mean: itself in either number, else those it is part of."""
    key = word.strip().lower()
    exact = [term for term in DEFINITIONS if key in {term.lower(), _plural(term)}]
    return exact or [term for term in DEFINITIONS if key and key in term.lower()]


def _plural(term: str) -> str:
    return PLURALS.get(term, f"{term}s").lower()


def _form(term: str) -> re.Pattern[str]:
    """Match a term as a word of its own, also in the plural."""
    words = "|".join(re.escape(form) for form in (_plural(term), term))
    return re.compile(rf"(?<![\w*-])(?:{words})(?![\w*-])", _case(term))


def _case(term: str) -> re.RegexFlag:
    """Mind the case of names such as REVIEW and N*, and of no other term."""
    return re.NOFLAG if term != term.lower() and len(term) < 7 else re.IGNORECASE


_FORMS = {term: _form(term) for term in DEFINITIONS}
