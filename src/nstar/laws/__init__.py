"""One law, one file.  To add one: copy a file, add a line here."""

from nstar.laws.accuracy import Accuracy
from nstar.laws.accuracy_by_nll import AccuracyByNll
from nstar.laws.allocation import Allocation
from nstar.laws.allocation_free import AllocationFree
from nstar.laws.beta_binomial import BetaBinomial
from nstar.laws.bounded_metric import BoundedMetric
from nstar.laws.broken import Broken
from nstar.laws.chinchilla import Chinchilla
from nstar.laws.compute import Compute
from nstar.laws.coupled import Coupled
from nstar.laws.coverage import Coverage
from nstar.laws.data_constrained import DataConstrained
from nstar.laws.experts import Experts
from nstar.laws.farseer import Farseer
from nstar.laws.fid import Fid
from nstar.laws.isoflop import IsoFLOP
from nstar.laws.kaplan import Kaplan
from nstar.laws.parallel import Parallel
from nstar.laws.precision import Precision
from nstar.laws.repeated_by_size import RepeatedBySize
from nstar.laws.repeated_sampling import RepeatedSampling
from nstar.laws.sparsity import Sparsity
from nstar.laws.tied import Tied
from nstar.laws.token_budget import TokenBudget
from nstar.laws.tuning import Tuning
from nstar.laws.upcycled import Upcycled
from nstar.laws.visual_tokens import VisualTokens
from nstar.laws.vocabulary import Vocabulary
from nstar.types import Law, ShippedLaw

LAWS: dict[str, type[ShippedLaw]] = {
    "allocation": Allocation,
    "allocation_free": AllocationFree,
    "isoflop": IsoFLOP,
    "chinchilla": Chinchilla,
    "coupled": Coupled,
    "kaplan": Kaplan,
    "tied": Tied,
    "broken": Broken,
    "farseer": Farseer,
    "compute": Compute,
    "data_constrained": DataConstrained,
    "experts": Experts,
    "tuning": Tuning,
    "upcycled": Upcycled,
    "vocabulary": Vocabulary,
    "precision": Precision,
    "sparsity": Sparsity,
    "accuracy": Accuracy,
    "accuracy_by_nll": AccuracyByNll,
    "repeated_sampling": RepeatedSampling,
    "beta_binomial": BetaBinomial,
    "repeated_by_size": RepeatedBySize,
    "coverage": Coverage,
    "token_budget": TokenBudget,
    "parallel": Parallel,
    "visual_tokens": VisualTokens,
    "bounded_metric": BoundedMetric,
    "fid": Fid,
}


def name_of(law: Law) -> str:
    """Name of a law in `LAWS`, or of its class where it is not one of them."""
    names = [name for name, kind in LAWS.items() if kind is type(law)]
    return (names or [type(law).__name__])[0]
