"""One law, one file.  To add one: copy a file, add a line here.

Names are known before JAX is: a law's module, which needs it, is imported when the law
is first looked up.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import NamedTuple

from nstar.types import Law, ShippedLaw


class Entry(NamedTuple):
    """A line of the registry; a test holds it to what the law itself says."""

    law: str  # its class, in the module of its name
    unknowns: str  # those whose priors may be chosen, separated by spaces
    settings: str = ""  # what it takes in parentheses, as in accuracy(chance=0.25)


# in order of preference: the first that the runs allow is the primary route
ROUTE_LAWS = ("isoflop", "allocation", "coupled")

_SURFACE = "level floor_share size_share alpha1 exponent_sum"
_WAVES = "bend_along bend_tokens bend_across bend_local"
_BENT = f"{_SURFACE} {_WAVES}"

ENTRIES = {
    "allocation": Entry("Allocation", "tokens_per_parameter alpha1 bend_optimum"),
    "allocation_free": Entry(
        "AllocationFree",
        "tokens_per_parameter flop_per_param_token alpha1 alpha2 bend_optimum",
    ),
    "isoflop": Entry(
        "IsoFLOP",
        "tokens_per_parameter alpha1 scatter level floor_share gamma level_scatter "
        "curvature curvature_slope curvature_scatter skew log_D curvature_z level_z "
        "bend_optimum",
    ),
    "chinchilla": Entry("Chinchilla", _BENT),
    "coupled": Entry("Coupled", f"{_BENT} coupling"),
    "kaplan": Entry("Kaplan", f"level size_share alpha1 exponent_sum {_WAVES}"),
    "tied": Entry("Tied", f"level floor_share size_share exponent_sum {_WAVES}"),
    "broken": Entry("Broken", f"{_BENT} break_at break_ratio break_width"),
    "farseer": Entry(
        "Farseer",
        "level endless_share endless_slope endless_bend data_slope data_bend beta "
        f"beta_slope beta_bend {_WAVES}",
    ),
    "compute": Entry("Compute", "level floor_share gamma"),
    "data_constrained": Entry("DataConstrained", f"{_BENT} R_D R_N"),
    "experts": Entry("Experts", f"{_BENT} expert_worth expert_fade expert_limit"),
    "tuning": Entry(
        "Tuning",
        f"{_BENT} coupling log_lr lr_by_size lr_by_data log_batch batch_by_size "
        "batch_by_data batch_by_lr lr_cost batch_cost lr_skew batch_skew cost_by_size "
        "cost_by_data",
    ),
    "upcycled": Entry("Upcycled", f"{_BENT} expert_worth parent_worth"),
    "vocabulary": Entry(
        "Vocabulary",
        "normalised_level reducible vocabulary_share size_share alpha1 exponent_sum alpha_v",
    ),
    "precision": Entry(
        "Precision",
        f"{_BENT} weight_decay_bits weight_power activation_decay_bits activation_power",
    ),
    "sparsity": Entry("Sparsity", f"{_BENT} sparse_share sparse_exponent"),
    "accuracy": Entry("Accuracy", "floor rise room width curve", "chance"),
    "accuracy_by_nll": Entry(
        "AccuracyByNll", "nll_level nll_power floor rise room width curve", "chance"
    ),
    "repeated_sampling": Entry("RepeatedSampling", "ease tail tail_bend zero_root"),
    "beta_binomial": Entry("BetaBinomial", "log_odds tail"),
    "repeated_by_size": Entry(
        "RepeatedBySize",
        "ease tail tail_bend zero_root slope_ease slope_tail slope_zero scatter_ease "
        "scatter_tail offset_ease offset_tail",
        "by",
    ),
    "coverage": Entry("Coverage", "solved tail"),
    "token_budget": Entry("TokenBudget", "floor rise room width"),
    "parallel": Entry("Parallel", "level floor_share alpha stream_worth"),
    "visual_tokens": Entry("VisualTokens", "error error_floor_share alpha beta"),
    "bounded_metric": Entry(
        "BoundedMetric", "error error_floor_share slope chance_room", "chance"
    ),
    "fid": Entry("Fid", "fid fid_floor_share gamma"),
}


class Laws(Mapping[str, type[ShippedLaw]]):
    """Classes of laws by name, each imported when it is asked for."""

    def __getitem__(self, name: str) -> type[ShippedLaw]:
        """Import a law."""
        return getattr(import_module(f"nstar.laws.{name}"), ENTRIES[name].law)

    def __iter__(self) -> Iterator[str]:
        """Names, in the order of the registry."""
        return iter(ENTRIES)

    def __len__(self) -> int:
        """Count the laws."""
        return len(ENTRIES)

    def __contains__(self, name: object) -> bool:
        """Say whether there is a law of a name; none is imported."""
        return name in ENTRIES


LAWS = Laws()


def name_of(law: Law) -> str:
    """Name of a law in `LAWS`, or of its class where it is not one of them."""
    kind = type(law)
    names = [
        name
        for name, entry in ENTRIES.items()
        if (kind.__module__, kind.__name__) == (f"nstar.laws.{name}", entry.law)
    ]
    return (names or [kind.__name__])[0]
