"""What each unknown and each derived number is, in words."""

from nstar.departures import bent_lines, discrepancy
from nstar.laws import LAWS, priors
from nstar.noises import likelihoods

_SOURCES = (
    priors.WORDS,
    *(law().words for law in LAWS.values()),
    likelihoods.WORDS,
    bent_lines.WORDS,
    discrepancy.WORDS,
)
WORDS = {name: text for words in _SOURCES for name, text in words.items()}


def describe_unknown(name: str) -> str:
    """Return what an unknown is, or nothing where no law or noise says it.

    A spread between groups is that of the unknown that it names.
    """
    if name.startswith("spread_"):
        return "its spread between groups (sd of a log or logit)"
    return WORDS.get(name, "")
