"""How a law is sampled, first and where that is not enough: one policy for every fit."""

from nstar.departures.bending import is_bent
from nstar.departures.discrepancy import Bent
from nstar.samplers.nuts import ENOUGH, USUAL, Settings
from nstar.types import Law

RETRY = USUAL._replace(warmup=500, target_accept=0.99, enough=2 * ENOUGH)
# of a line of optima that bends: at less some chains stray
LINE = USUAL._replace(warmup=300, target_accept=0.95)
# of populations of problems: few models leave a neck in how they scatter
COUNTS = USUAL._replace(warmup=300, target_accept=0.99)
# ceiling and curve trade off along a narrow ridge
SIGMOID = RETRY._replace(target_accept=0.98)
BENT = USUAL._replace(target_accept=0.85)  # led, and so well scaled
RETRY_BENT = BENT._replace(target_accept=0.95, pilot=500, enough=2 * ENOUGH)
JUST_ENOUGH = (
    450  # effective draws of a fit among many: a little more than the gates ask
)
DEPTH = 7  # of its second attempt's trees: who passes needs 5


def attempts(law: Law) -> tuple[Settings, Settings]:
    """Settings of the first attempt at a law's posterior, and of the second."""
    if isinstance(law, Bent):
        return BENT, RETRY_BENT
    first = LINE if is_bent(law) else USUAL
    first = COUNTS if law.response.whole else first
    return SIGMOID if law.response.fraction else first, RETRY


def attempts_among_many(law: Law) -> tuple[Settings, Settings]:
    """The same for one of many fits, which are no more than enough; surfaces that bend are."""
    first, again = attempts(law)
    if isinstance(law, Bent):
        return first, again
    short = first._replace(enough=JUST_ENOUGH)
    return short, again._replace(enough=JUST_ENOUGH, max_tree_depth=DEPTH)
