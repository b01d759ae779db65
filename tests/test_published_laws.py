"""Each law is its paper's formula, written out here from the paper's own numbers."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from scipy import special, stats
from scipy.optimize import least_squares

from nstar.costs.cost_line import optimum
from nstar.costs.training import SIX
from nstar.laws import LAWS
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
from nstar.types import Law

N = np.geomspace(1e7, 1e11, 7)
D = np.geomspace(1e9, 1e13, 7)[::-1]
C = np.geomspace(1e18, 1e25, 7)


class Case(NamedTuple):
    """A paper's formula at some runs, and the law's unknowns that say the same."""

    law: Law
    unknowns: dict[str, float | np.ndarray]
    x: dict[str, np.ndarray]
    response: tuple[np.ndarray, ...]  # by the paper's formula, in its own unit
    derived: dict[str, float]  # the paper's numbers, which `law.derived` gives back
    floor: float | None = None  # of the loss, where the law says one


CASES: dict[str, Callable[[], Case]] = {}


def of(name: str) -> Callable[[Callable[[], Case]], Callable[[], Case]]:
    """Enter a case by its law's name, and after a comma by what sets it apart."""

    def enter(case: Callable[[], Case]) -> Callable[[], Case]:
        CASES[name] = case
        return case

    return enter


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def test_every_law_has_a_formula_written_here():
    assert {name.split(",")[0] for name in CASES} == set(LAWS)
    for name, case in CASES.items():
        assert isinstance(case().law, LAWS[name.split(",")[0]])


@pytest.mark.parametrize("name", CASES)
def test_a_law_is_its_papers_formula(name):
    case = CASES[name]()
    responses = case.law.response.unlink(case.law.expected(case.unknowns, case.x))
    for ours, paper in zip(responses, case.response, strict=True):
        np.testing.assert_allclose(ours, paper, rtol=1e-10, atol=1e-15)
    derived = case.law.derived(case.unknowns) if case.derived else {}
    for number, value in case.derived.items():
        np.testing.assert_allclose(derived[number], value, rtol=1e-8, err_msg=number)
    if case.floor is not None:
        np.testing.assert_allclose(case.law.floor(case.unknowns), case.floor)


def additive(law, E, A, alpha, B, beta):
    """Unknowns of a surface that give these published numbers."""
    a, b = A * law.N0**-alpha, B * law.D0**-beta
    level = E + a + b
    return {
        "level": level,
        "floor_share": E / level,
        "size_share": a / (a + b),
        "alpha1": beta / (alpha + beta),
        "exponent_sum": alpha + beta,
    }


HOFFMANN = {"E": 1.69, "A": 406.4, "alpha": 0.34, "B": 410.7, "beta": 0.28}


def hoffmann(N, D):
    """Loss of Hoffmann et al. (2022), approach 3 as printed."""
    return 1.69 + 406.4 / N**0.34 + 410.7 / D**0.28


@of("chinchilla")
def chinchilla():
    """Hoffmann et al. (2022), eq. 2 and appendix D.3."""
    law, x = Chinchilla(3e8, 1e10), {"N": N, "D": D}
    unknowns = additive(law, **HOFFMANN)
    return Case(law, unknowns, x, (hoffmann(N, D),), HOFFMANN, 1.69)


@of("coupled")
def coupled():
    """Busbridge et al. (2025), table 6: their exponents stand inside the outer power."""
    law = Coupled(3e8, 1e10)
    E, A, alpha, B, beta, gamma = 1.220, 3355.0, 0.408, 18186.0, 0.431, 0.452
    a, b = A / law.N0**alpha, B / law.D0**beta
    level = E + (a + b) ** gamma
    unknowns = {
        "level": level,
        "floor_share": E / level,
        "size_share": a / (a + b),
        "alpha1": beta / (alpha + beta),
        "exponent_sum": gamma * (alpha + beta),
        "coupling": gamma,
    }
    paper = E + (A / N**alpha + B / D**beta) ** gamma
    derived = {"E": E, "A": A, "B": B, "alpha": gamma * alpha, "beta": gamma * beta}
    return Case(law, unknowns, {"N": N, "D": D}, (paper,), derived, E)


@of("tuning")
def tuning():
    """Li et al. (2025), eq. 1: lr* = 1.79 N^-0.713 D^0.307, batch* = 0.58 D^0.571 tokens.

    The cost of other rates is LINEX (Varian 1975): b (e^(a z) - a z - 1), here with
    2 c / a^2 for b, about parabolas c z^2; the best batch goes as (lr / lr*)^0.4.
    """
    law = Tuning(3e8, 1e10, 2e-3, 5e5)
    surface = coupled()
    lr, batch = 1e-3 * (N / 1e9) ** 0.1, 4e5 * (D / 1e10) ** 0.3
    u = np.log(lr / (1.79 * N**-0.713 * D**0.307))
    v = np.log(batch / (0.58 * D**0.571)) - 0.4 * u
    nats = (N / 3e8) ** -0.15 * (D / 1e10) ** -0.2
    a, b = 0.9, -0.3
    cost = 0.02 * 2 / a**2 * (np.exp(a * u) - a * u - 1)
    cost = cost + 0.03 * 2 / b**2 * (np.exp(b * v) - b * v - 1)
    level = surface.unknowns["level"]
    unknowns = surface.unknowns | {
        "log_lr": np.log(1.79 * 3e8**-0.713 * 1e10**0.307 / 2e-3),
        "lr_by_size": -0.713,
        "lr_by_data": 0.307,
        "log_batch": np.log(0.58 * 1e10**0.571 / 5e5),
        "batch_by_size": 0.0,
        "batch_by_data": 0.571,
        "batch_by_lr": 0.4,
        "lr_cost": 0.02 / level,
        "batch_cost": 0.03 / level,
        "lr_skew": a,
        "batch_skew": b,
        "cost_by_size": -0.15,
        "cost_by_data": -0.2,
    }
    x = {"N": N, "D": D, "lr": lr, "batch": batch}
    paper = surface.response[0] + nats * cost
    derived = surface.derived | {
        "best_lr": 1.79 * 3e8**-0.713 * 1e10**0.307,
        "best_batch": 0.58 * 1e10**0.571,
    }
    return Case(law, unknowns, x, (paper,), derived, 1.220)


@of("kaplan")
def kaplan():
    """Kaplan et al. (2020), eq. 4.1 and table 2: 6.4e13, 1.8e13, 0.076, 0.103."""
    law, alpha, beta = Kaplan(), 0.076, 0.103
    a, b = (6.4e13 / law.N0) ** (alpha / beta), 1.8e13 / law.D0
    unknowns = {
        "level": (a + b) ** beta,
        "size_share": a / (a + b),
        "alpha1": beta / (alpha + beta),
        "exponent_sum": alpha + beta,
    }
    paper = ((6.4e13 / N) ** (alpha / beta) + 1.8e13 / D) ** beta
    derived = {"N_c": 6.4e13, "D_c": 1.8e13, "alpha": alpha, "beta": beta}
    return Case(law, unknowns, {"N": N, "D": D}, (paper,), derived, 0.0)


@of("tied")
def tied():
    """Gadre et al. (2024), C4: E 1.5083, eta 0.12124, a 141.3, b 189.5."""
    law, eta = Tied(), 0.12124
    unknowns = additive(law, 1.5083, 141.3 * 6**-eta, 2 * eta, 189.5 * 6**-eta, 2 * eta)
    budget, M = 6 * N * D, D / N
    paper = 1.5083 + (141.3 * M**eta + 189.5 * M**-eta) * budget**-eta
    derived = {"E": 1.5083, "eta": eta, "a": 141.3, "b": 189.5}
    return Case(law, unknowns, {"N": N, "D": D}, (paper,), derived, 1.5083)


@of("broken")
def broken():
    """Caballero et al. (2023), eq. 1, one break, in compute as Hoffmann's surface has it.

    y = a + b x^-c0 (1 + (x/d1)^(1/f1))^(-c1 f1), of which x^-c0 is the reducible loss.
    """
    law, R0 = Broken(3e8, 1e10, 2.0), hoffmann(3e8, 1e10) - 1.69
    c0 = 0.34 * 0.28 / (0.34 + 0.28)
    c1, d1, f1 = -0.4 * c0, np.exp(1.3), 0.8
    compute = ((hoffmann(N, D) - 1.69) / R0) ** (-1 / c0)
    b = R0 * (1 + d1 ** (-1 / f1)) ** (c1 * f1)  # y - a is R0 at the reference run
    paper = 1.69 + b * compute**-c0 * (1 + (compute / d1) ** (1 / f1)) ** (-c1 * f1)
    unknowns = additive(law, **HOFFMANN)
    unknowns |= {"break_at": np.log(d1), "break_ratio": 0.6, "break_width": f1}
    derived = {"E": 1.69, "gamma_before": c0, "gamma_after": c0 + c1}
    return Case(law, unknowns, {"N": N, "D": D}, (paper,), derived, 1.69)


FARSEER = (-0.124, 0.123, 0.424), (88.01, -0.1, -6.287), (-0.021, 0.169, -0.091)


def farseer(N, D):
    """Loss of Li et al. (2025), sec. 4.4, in bits per character."""
    (a1, q1, b1), (a2, q2, b2), (a3, q3, b3) = FARSEER
    data = np.exp(a2 * N**q2 + b2) * D ** -np.exp(a1 * N**q1 + b1)
    return np.exp(a3 * N**q3 + b3) + data


def farseer_about(N0):
    """Theirs is ours where D is counted in single tokens."""
    (a1, q1, b1), (a2, q2, b2), (a3, q3, b3) = FARSEER
    endless, data = np.exp(a3 * N0**q3 + b3), np.exp(a2 * N0**q2 + b2)
    unknowns = {
        "level": endless + data,
        "endless_share": endless / (endless + data),
        "endless_slope": -a3 * q3 * N0**q3,
        "endless_bend": q3,
        "data_slope": a2 * q2 * N0**q2,
        "data_bend": q2,
        "beta": np.exp(a1 * N0**q1 + b1),
        "beta_slope": a1 * q1 * N0**q1,
        "beta_bend": q1,
    }
    derived = {"a_1": a1, "b_1": b1, "a_2": a2, "b_2": b2, "a_3": a3, "b_3": b3}
    x = {"N": N, "D": D}
    return Case(Farseer(N0, 1.0), unknowns, x, (farseer(N, D),), derived, 0.0)


@of("farseer")
def farseer_at_a_billion():
    return farseer_about(1e9)


@of("farseer, N0 of 3e8")
def farseer_below():
    return farseer_about(3e8)


@of("compute")
def compute():
    """Henighan et al. (2020), table 1, images of 32x32: 2.21, 3.6e-9 PF-days, -0.1."""
    law, E, x0, a = Compute(C0=3e20), 2.21, 3.6e-9 * 8.64e19, 0.1
    level = E + (x0 / law.C0) ** a
    unknowns = {"level": level, "floor_share": E / level, "gamma": a}
    paper = E + (x0 / C) ** a
    return Case(law, unknowns, {"C": C}, (paper,), {"E": E, "F": x0**a})


@of("allocation")
def allocation():
    """Llama 3 (2024), sec. 3.2.1: D* = A C^alpha with (alpha, A) = (0.53, 0.29)."""
    law, A, alpha = Allocation(C0=2e20), 0.29, 0.53
    tokens = A * law.C0**alpha
    ratio = tokens / (law.C0 / (6 * tokens))
    unknowns = {"tokens_per_parameter": ratio, "alpha1": 1 - alpha}
    return Case(law, unknowns, {"C": C}, (A * C**alpha,), {})


@of("allocation_free")
def allocation_free():
    """N* = A1 C^a and D* = A2 C^b of Bi et al. (2024), sec. 3, with a sum of 0.98."""
    law, A1, a, A2, b = AllocationFree(C0=2e20), 0.1715, 0.5243, 5.8316, 0.4557
    size, tokens = A1 * law.C0**a, A2 * law.C0**b
    unknowns = {
        "tokens_per_parameter": tokens / size,
        "flop_per_param_token": law.C0 / (size * tokens),
        "alpha1": a,
        "alpha2": b,
    }
    return Case(law, unknowns, {"C": C}, (A1 * C**a, A2 * C**b), {})


def profiles_of_hoffmann():
    """The isoFLOP law of Hoffmann's surface: unknowns where no budget scatters."""
    E, A, alpha, B, beta = HOFFMANN.values()
    budgets, C0 = np.geomspace(1e18, 1e21, 5), 3e19
    G = (alpha * A / (beta * B)) ** (1 / (alpha + beta))

    def size(budget):
        return G * (budget / 6) ** (beta / (alpha + beta))

    level = hoffmann(size(C0), C0 / 6 / size(C0))
    unknowns = {
        "tokens_per_parameter": C0 / 6 / size(C0) ** 2,
        "alpha1": beta / (alpha + beta),
        "scatter": 0.1,
        "level": level,
        "floor_share": E / level,
        "gamma": alpha * beta / (alpha + beta),
        "level_scatter": 0.004,
        "curvature": alpha * beta,
        "curvature_slope": 0.0,
        "curvature_scatter": 0.2,
        "skew": (alpha - beta) / 3,
        "log_D": np.log(budgets / 6 / size(budgets)),
        "curvature_z": np.zeros(5),
        "level_z": np.zeros(5),
    }
    law = IsoFLOP(C0=C0, budgets=tuple(budgets.tolist()))
    budget = np.repeat(budgets, 3)
    tokens = np.exp(np.repeat(unknowns["log_D"], 3)) * np.tile([0.2, 1.0, 9.0], 5)
    return law, unknowns, {"budget": budget, "D": tokens}


@of("isoflop")
def isoflop():
    """Hoffmann et al. (2022), eq. 2 along C = 6 N D: a profile is a section of the surface."""
    law, unknowns, x = profiles_of_hoffmann()
    paper = hoffmann(x["budget"] / 6 / x["D"], x["D"])
    F = (unknowns["level"] - 1.69) * law.C0 ** unknowns["gamma"]
    return Case(law, unknowns, x, (paper,), {"E": 1.69, "F": F}, 1.69)


@of("isoflop, budgets that scatter")
def isoflop_scattered():
    """Approach 2: each budget with a minimum, a level and a curvature of its own."""
    law, unknowns, x = profiles_of_hoffmann()
    z = {
        "curvature_z": np.array([0.3, -1.2, 0.8, 0.1, -0.4]),
        "level_z": np.array([1.1, -0.2, 0.4, -1.5, 0.6]),
        "log_D": unknowns["log_D"] + np.array([0.1, -0.2, 0.05, 0.3, -0.1]),
        "curvature_slope": 0.03,
    }
    budgets = np.array(law.budgets)
    c = np.log(budgets)
    off = z["level_z"] - np.polyval(np.polyfit(c, z["level_z"], 1), c)  # the trend's
    kappa = 0.34 * 0.28 * (budgets / law.C0) ** 0.03 * np.exp(0.2 * z["curvature_z"])
    alpha, minus_beta = np.array([np.roots([1, -0.06, -k]) for k in kappa]).T
    alpha, minus_beta = np.fmax(alpha, minus_beta), np.fmin(alpha, minus_beta)
    alpha, beta = np.repeat(alpha, 3), np.repeat(-minus_beta, 3)
    q = np.log(x["D"]) - np.repeat(z["log_D"], 3)
    F = (unknowns["level"] - 1.69) * law.C0 ** unknowns["gamma"]
    rise = (beta * np.exp(alpha * q) + alpha * np.exp(-beta * q)) / (alpha + beta)
    paper = 1.69 + F * x["budget"] ** -unknowns["gamma"] * rise
    paper = np.exp(0.004 * np.repeat(off, 3)) * paper
    return Case(law, unknowns | z, x, (paper,), {})


def test_between_budgets_isoflop_profiles_of_a_surface_are_the_surface():
    law, unknowns, _ = profiles_of_hoffmann()
    np.testing.assert_allclose(law.loss(unknowns, N, D), hoffmann(N, D), rtol=1e-10)


@of("data_constrained")
def data_constrained():
    """Muennighoff et al. (2023), eq. 5 and 6 with the coefficients of their repository."""
    law, alpha = DataConstrained(), 0.3526596
    E, A, B = np.exp([0.6254804, 6.255414, 7.3049974])
    unknowns = additive(law, E, A, alpha, B, alpha)
    unknowns |= {"R_D": 15.387756, "R_N": 5.309743}
    unique = D / np.array([1, 2, 4, 16, 50, 1, 7])
    fed = np.minimum(unique * (A / B) ** (1 / alpha), N)
    worth_D = unique + unique * 15.387756 * (1 - np.exp(-(D / unique - 1) / 15.387756))
    worth_N = fed + fed * 5.309743 * (1 - np.exp(-(N / fed - 1) / 5.309743))
    paper = E + A * worth_N**-alpha + B * worth_D**-alpha
    x = {"N": N, "D": D, "unique_tokens": unique}
    return Case(law, unknowns, x, (paper,), {"E": E, "A": A, "B": B}, E)


@of("experts")
def experts():
    """Clark et al. (2022), S-BASE: log L bilinear in log N and log E, where E = B = 0."""
    a, b, c, d = -0.082, -0.108, 0.009, 1.104
    law, E = Experts(N0=1e8), np.array([1, 2, 8, 16, 64, 128, 256.0])
    log = np.log10
    unknowns = additive(law, 0.0, 10**d, -a, 0.0, 0.5) | {
        "expert_worth": (b + c * 8) / a,
        "expert_fade": -c / a / np.log(10),
        "expert_limit": 1e14,
    }
    paper = 10 ** (a * log(N) + b * log(E) + c * log(N) * log(E) + d)
    x = {"N": N, "D": D, "total_params": N * E}
    return Case(law, unknowns, x, (paper,), {"A": 10**d, "alpha": -a}, 0.0)


@of("experts, which saturate")
def experts_saturated():
    """The law's own limit: 128 experts are worth less than 61."""
    law, r = Experts(3e8, 1e10), np.array([1, 2, 8, 16, 64, 128, 256.0])
    unknowns = additive(law, **HOFFMANN)
    unknowns |= {"expert_worth": 0.45, "expert_fade": 0.05, "expert_limit": 60.0}
    size = N * (61 / (1 + 60 / r)) ** (0.45 - 0.05 * np.log(N / 3e8))
    x = {"N": N, "D": D, "total_params": N * r}
    return Case(law, unknowns, x, (hoffmann(size, D),), HOFFMANN, 1.69)


@of("upcycled")
def upcycled():
    """Hoffmann's surface, at sizes and tokens as Liew et al. (2025) count them."""
    law = Upcycled(3e8, 1e10)
    total = N * np.array([1, 2, 8, 16, 4, 1, 32.0])
    dense = D * np.array([0, 0.1, 1, 5, 0.4, 2, 0])
    unknowns = additive(law, **HOFFMANN) | {"expert_worth": 0.4, "parent_worth": 0.7}
    paper = hoffmann(N**0.6 * total**0.4, D + 0.7 * dense)
    x = {"N": N, "D": D, "total_params": total, "dense_tokens": dense}
    return Case(law, unknowns, x, (paper,), HOFFMANN, 1.69)


@of("vocabulary")
def vocabulary():
    """Tao et al. (2024), approach 3; sizes in their millions made plain counts."""
    law = Vocabulary(N0=3e8, D0=1e10, share=0.05)
    A, alpha, B, beta, E = (
        1.83139 * 1e6**0.446606,
        0.446606,
        2.124112 * 1e9**0.446606,
        0.446606,
        5.532785,
    )
    A_v, alpha_v = 0.195842 * 1e6**0.670737, 0.670737
    N_v = N * np.array([0.01, 0.05, 0.2, 0.1, 0.02, 0.03, 0.3])
    terms = [
        A * (law.N0 * 0.95) ** -alpha,
        B * law.D0**-beta,
        A_v * (law.N0 * 0.05) ** -alpha_v,
    ]
    unknowns = {
        "normalised_level": sum(terms) - E,
        "reducible": sum(terms),
        "vocabulary_share": terms[2] / sum(terms),
        "size_share": terms[0] / (terms[0] + terms[1]),
        "alpha1": 0.5,
        "exponent_sum": alpha + beta,
        "alpha_v": alpha_v,
    }
    paper = -E + A * (N - N_v) ** -alpha + A_v * N_v**-alpha_v + B * D**-beta
    x = {"N": N, "D": D, "vocabulary_params": N_v}
    derived = {"E": E, "A": A, "A_v": A_v, "B": B}
    return Case(law, unknowns, x, (paper,), derived, -E)


@of("precision")
def precision():
    """Kumar et al. (2024): alpha = beta = 0.4965, E 2.7648, both powers one."""
    law, bits, many = Precision(), np.array([2, 3, 4, 6, 8, 12, 16.0]), np.full(7, 16.0)
    unknowns = additive(law, 2.7648, 4299.0, 0.4965, 18060.0, 0.4965) | {
        "weight_decay_bits": 2.6745,
        "weight_power": 1.0,
        "activation_decay_bits": 2.2102,
        "activation_power": 1.0,
    }
    worth = (1 - np.exp(-bits / 2.6745)) * (1 - np.exp(-many / 2.2102))
    paper = 2.7648 + 4299.0 * (N * worth) ** -0.4965 + 18060.0 * D**-0.4965
    x = {"N": N, "D": D, "weight_bits": bits, "activation_bits": many}
    four = (1 - np.exp(-4 / 2.6745)) * (1 - np.exp(-4 / 2.2102))
    derived = {"E": 2.7648, "A": 4299.0, "B": 18060.0, "worth_of_4_bits": four}
    return Case(law, unknowns, x, (paper,), derived, 2.7648)


@of("precision, steeper")
def precision_steeper():
    """Bits of weights and of activations missed with powers of their own."""
    law, bits = Precision(3e8, 1e10), np.array([2, 3, 4, 6, 8, 12, 16.0])
    unknowns = additive(law, **HOFFMANN) | {
        "weight_decay_bits": 1.6,
        "weight_power": 2.0,
        "activation_decay_bits": 2.2,
        "activation_power": 1.4,
    }
    worth = (1 - np.exp(-bits / 1.6)) ** 2.0 * (1 - np.exp(-bits[::-1] / 2.2)) ** 1.4
    x = {"N": N, "D": D, "weight_bits": bits, "activation_bits": bits[::-1]}
    return Case(law, unknowns, x, (hoffmann(N * worth, D),), HOFFMANN, 1.69)


@of("sparsity")
def sparsity():
    """Frantar et al. (2023), table 1, T5 on C4."""
    law, S = Sparsity(density=0.3), np.array([0, 0.5, 0.75, 0.875, 0.5, 0.0, 0.9])
    aS, bS, cS, bN, aD, bD, c = 16.8, 0.722, 45.0, 0.245, 6.9e8, 0.203, 0.651
    at_reference = aS * law.density**bS + cS
    unknowns = additive(law, c, at_reference, bN, aD**bD, bD) | {
        "sparse_share": 1 - cS / at_reference,
        "sparse_exponent": bS,
    }
    paper = (aS * (1 - S) ** bS + cS) * N**-bN + (aD / D) ** bD + c
    x = {"N": N, "D": D, "sparsity": S}
    derived = {"E": c, "a_S": aS, "c_S": cS, "B": aD**bD, "alpha": bN, "beta": bD}
    return Case(law, unknowns, x, (paper,), derived, c)


def sigmoid_unknowns(lowest, highest, reference):
    """Floor, rise and room of a curve between these accuracies, with this at the reference."""
    rise = (reference - lowest) / (1 - lowest)
    room = (highest - reference) / (1 - reference)
    return {"floor": lowest, "rise": rise, "room": room}


def falling(x, lowest, highest, middle, width):
    """Sigmoid of Llama 3 (2024), sec. 3.2.1, and Bhagia et al. (2024): down as x grows."""
    return lowest + (highest - lowest) / (1 + np.exp((x - middle) / width))


@of("accuracy")
def accuracy():
    """From 25 % to 93 % of the answers, half way at a loss of 2.6."""
    law, L = Accuracy(L0=3.0), np.linspace(1.5, 4.5, 9)
    curve = 0.25, 0.93, 2.6, 0.3
    unknowns = sigmoid_unknowns(0.25, 0.93, falling(3.0, *curve))
    unknowns |= {"width": 0.3 / 3.0, "curve": 1.0}
    derived = {"ceiling": 0.93, "middle": 2.6}
    return Case(law, unknowns, {"L": L}, (falling(L, *curve),), derived)


@of("accuracy, a power of the loss")
def accuracy_of_a_power():
    """The same in L^1.7 in place of L."""
    law, L = Accuracy(L0=3.0), np.linspace(1.5, 4.5, 9)
    curve = 0.25, 0.93, 2.6**1.7, 1.7 * 0.1 * 3.0**1.7
    unknowns = sigmoid_unknowns(0.25, 0.93, falling(3.0**1.7, *curve))
    unknowns |= {"width": 0.1, "curve": 1.7}
    derived = {"ceiling": 0.93, "middle": 2.6}
    return Case(law, unknowns, {"L": L}, (falling(L**1.7, *curve),), derived)


@of("accuracy_by_nll")
def accuracy_by_nll():
    """Two steps: the task's nll is 0.9 (L/3)^1.4, and accuracy the sigmoid of it."""
    law, L = AccuracyByNll(L0=3.0), np.linspace(1.5, 4.5, 9)
    curve = 0.25, 0.93, 0.8, 0.12
    unknowns = sigmoid_unknowns(0.25, 0.93, falling(0.9, *curve)) | {
        "nll_level": 0.9,
        "nll_power": 1.4,
        "width": 0.12 / 0.9,
        "curve": 1.0,
    }
    nll = 0.9 * (L / 3) ** 1.4
    derived = {"ceiling": 0.93, "middle": 0.8}
    return Case(law, unknowns, {"L": L}, (nll, falling(nll, *curve)), derived)


@of("token_budget")
def token_budget():
    """A sigmoid of log T as Khatri et al. (2025, ScaleRL) have it of compute."""
    law, T = TokenBudget(T0=3000.0), np.geomspace(200, 60000, 9)

    def rising(T):
        return 0.1 + (0.85 - 0.1) / (1 + (2000.0 / T) ** 1.25)

    unknowns = sigmoid_unknowns(0.1, 0.85, rising(3000.0)) | {"width": 1 / 1.25}
    return Case(law, unknowns, {"T": T}, (rising(T),), {"ceiling": 0.85})


@of("coverage")
def coverage():
    """Brown et al. (2024), eq. 3, Llama-3-8B-Instruct on MATH: (-1.33, -0.43)."""
    law, k, a, b = Coverage(k0=30.0), np.geomspace(1, 1e4, 9), -1.33, -0.43
    unknowns = {"solved": np.exp(a * 30.0**b), "tail": -b}
    derived = {"coverage_a": a, "coverage_b": b}
    return Case(law, unknowns, {"k": k}, (np.exp(a * k**b),), derived)


@of("parallel")
def parallel():
    """Chen et al. (2025), eq. 5, as their code fits it to Stack: A in billions."""
    law, E, A, alpha, k = Parallel(N0=7e8), 0.69124, 0.011306e9, 0.18937, 0.39346
    P = np.array([1, 2, 4, 8, 1, 3, 5.0])
    level = E + (A / law.N0) ** alpha
    unknowns = {
        "level": level,
        "floor_share": E / level,
        "alpha": alpha,
        "stream_worth": k,
    }
    paper = E + (A / (N * (k * np.log(P) + 1))) ** alpha
    return Case(law, unknowns, {"N": N, "P": P}, (paper,), {"E": E, "A": A})


@of("visual_tokens")
def visual_tokens():
    """Li et al. (2024), eq. 2: alpha 0.077, beta 0.015; never above an error of one."""
    law, A, alpha, beta, floor = VisualTokens(2e9, 30.0), 2.3, 0.077, 0.015, 0.05
    T = np.array([1, 4, 16, 36, 64, 144, 576.0])
    error = A / (law.N0**alpha * law.T0**beta) + floor
    unknowns = {
        "error": error,
        "error_floor_share": floor / error,
        "alpha": alpha,
        "beta": beta,
    }
    size = np.append(N[:6], 10.0)  # of ten parameters the formula says 1.8
    paper = np.minimum(A / (size**alpha * T**beta) + floor, 1.0)
    return Case(law, unknowns, {"N": size, "T": T}, (paper,), {})


def laion(law, top):
    """Nezhurina et al. (2025), sec. 3, a (C + b)^c + d, which is `top` at no compute."""
    b, c, d = 3e17, -0.23, 0.12
    a = (top - d) / b**c
    budgets = np.geomspace(1e15, 1e23, 9)
    error = a * (law.C0 + b) ** c + d
    unknowns = {
        "error": error,
        "error_floor_share": d / error,
        "slope": -c * (1 - d / error),
    }
    if law.chance is None:
        unknowns["chance_room"] = (top - error) / (1 - error)
    derived = {"gamma": -c, "bend_compute": b, "error_floor": d}
    paper = a * (budgets + b) ** c + d
    return Case(law, unknowns, {"C": budgets}, (paper,), derived)


@of("bounded_metric")
def bounded_metric():
    return laion(BoundedMetric(C0=2e19), 0.96)


@of("bounded_metric, of a known chance")
def bounded_metric_of_chance():
    return laion(BoundedMetric(C0=2e19, chance=0.001), 0.999)


@of("fid")
def fid():
    """A power of the forward pass's FLOP above a floor, after Peebles & Xie (2023), fig. 8."""
    law, G, F, gamma = Fid(G0=2e10), np.geomspace(7e8, 2.4e11, 9), 4.2, 0.55
    c = 60.0 * law.G0**gamma
    unknowns = {"fid": F + 60.0, "fid_floor_share": F / (F + 60.0), "gamma": gamma}
    return Case(law, unknowns, {"forward_flop": G}, (F + c * G**-gamma,), {})


@of("beta_binomial")
def beta_binomial():
    """Schaeffer et al. (2025): rates are Beta(a, b); a population is told as a, b, zero."""
    a, b, samples = 0.24, 7.5, np.full(3, 64.0)
    unknowns = {"tail": a, "log_odds": np.log(a / b)}
    paper = np.tile([a, b, 0.0], (3, 1))
    derived = {"pass_1": a / (a + b), "beta_b": b}
    return Case(BetaBinomial(), unknowns, {"samples": samples}, (paper,), derived)


def population(ease, tail, bend, zero):
    """Weights of a population on the 41 Betas evenly spaced in log-odds, and of no success.

    By SciPy's density of the u = q^2a ~ Beta(1/2, b) of `nstar.responses.pass_rates`: q is
    the rate p above p0 = 0.03, and log(q/p0) = ((p/p0)^bend - 1)/bend below it.
    """
    odds = np.exp(ease) * 0.03 ** (2 * tail) / (1 - 0.03 ** (2 * tail))
    rates = stats.beta(0.5, 0.5 / odds)

    def u_of(p):
        low = np.minimum(p / 0.03, 1.0)
        return (np.maximum(p, 0.03) * np.exp((low**bend - 1) / bend)) ** (2 * tail)

    centres = -20.25 + 0.75 * np.arange(41)
    p = special.expit(centres)
    slope = 2 * tail * u_of(p) * np.minimum(p / 0.03, 1.0) ** bend * (1 - p)
    inside = rates.pdf(u_of(p)) * slope * 0.75
    lowest, highest = special.expit([centres[0] - 0.375, centres[-1] + 0.375])
    ends = rates.cdf(u_of(lowest)), rates.sf(u_of(highest))
    total = inside.sum() + sum(ends)
    weights = np.append(inside[:-1], inside[-1] + ends[1]) / total
    # below the lowest centre, and the share that is never solved
    return np.concatenate([[zero + (1 - zero) * ends[0] / total], (1 - zero) * weights])


@of("repeated_sampling")
def repeated_sampling():
    """A share of zeros, and rates between a Beta and a Kumaraswamy population."""
    unknowns = {"ease": 0.4, "tail": 0.3, "tail_bend": 0.04, "zero_root": 0.6}
    paper = np.tile(population(0.4, 0.3, 0.04, 0.6**6), (3, 1))
    x = {"samples": np.full(3, 64.0)}
    return Case(RepeatedSampling(), unknowns, x, (paper,), {})


@of("repeated_by_size")
def repeated_by_size():
    """Ease and log a on lines in log N, with offsets; the log-odds of the zeros on one."""
    sizes = np.array([1e8, 1e9, 4e9])
    unknowns = {
        "ease": 0.4,
        "tail": 0.3,
        "tail_bend": 0.04,
        "zero_root": 0.6,
        "slope_ease": 0.3,
        "slope_tail": 0.1,
        "slope_zero": -0.2,
        "scatter_ease": 0.2,
        "scatter_tail": 0.1,
        "offset_ease": np.array([0.5, -1.0, 0.3]),
        "offset_tail": np.array([-0.4, 0.7, 1.2]),
    }
    each = [
        population(
            0.4 + 0.3 * np.log(size / 7e8) + 0.2 * e,
            0.3 * (size / 7e8) ** 0.1 * np.exp(0.1 * t),
            0.04,
            special.expit(special.logit(0.6**6) - 0.2 * np.log(size / 7e8)),
        )
        for size, e, t in zip(
            sizes, unknowns["offset_ease"], unknowns["offset_tail"], strict=True
        )
    ]
    order = np.array([2, 0, 1, 0])
    law = RepeatedBySize(N0=7e8, sizes=tuple(sizes.tolist()))
    x = {"N": sizes[order], "samples": np.full(4, 64.0)}
    return Case(law, unknowns, x, (np.array(each)[order],), {})


def test_farseer_bent_at_the_runs_tells_the_published_surface():
    """Within 0.3 % rms over their 2e8 to 2.5e10 parameters and 1e9 to 5e11 tokens."""
    law = Farseer(2e9, 3e10)
    sizes, tokens = (
        v.ravel()
        for v in np.meshgrid(np.geomspace(2e8, 2.5e10, 9), np.geomspace(1e9, 5e11, 9))
    )
    start = {
        "level": 0.5,
        "endless_share": 0.85,
        "endless_slope": 0.12,
        "endless_bend": 0.17,
        "data_slope": 0.2,
        "data_bend": 0.0,
        "beta": 0.3,
        "beta_slope": -0.2,
        "beta_bend": 0.1,
    }
    first, unravel = ravel_pytree({n: jnp.asarray(v) for n, v in start.items()})

    def miss(u):
        return jnp.log(law.loss(unravel(u), sizes, tokens) / farseer(sizes, tokens))

    found = least_squares(jax.jit(miss), np.asarray(first), jax.jit(jax.jacfwd(miss)))
    assert np.sqrt(np.mean(np.square(found.fun))) < 3e-3
    assert np.abs(found.fun).max() < 1e-2


def test_a_break_bends_the_loss_and_leaves_the_optimum():
    """No break is Hoffmann; far beyond one, L* - E falls with the second exponent."""
    law = Broken(1e9, 2e10, 2.0)
    plain = additive(law, 1.69, 406.4, 0.34, 410.7, 0.28)
    none = plain | {"break_at": 1.0, "break_ratio": 1.0, "break_width": 0.8}
    turned = none | {"break_ratio": 0.6}
    np.testing.assert_allclose(
        law.loss(none, N, D), LAWS["chinchilla"](1e9, 2e10).loss(plain, N, D)
    )
    C = jnp.asarray([1e17, 1e18, 1e27, 1e28])

    def along(params):
        best = [optimum(lambda N, D: law.loss(params, N, D), SIX, c)[0] for c in C]
        sizes = jnp.exp(jnp.asarray(best))
        return sizes, law.loss(params, sizes, C / (6 * sizes)) - law.floor(params)

    (sizes, _), (same, left) = along(none), along(turned)
    np.testing.assert_allclose(sizes, same, rtol=1e-6)
    told, step = law.derived(turned), -np.diff(np.log(left)) / np.log(10)
    np.testing.assert_allclose(step[0], told["gamma_before"], rtol=0.02)
    np.testing.assert_allclose(step[2], told["gamma_after"], rtol=0.02)
    assert told["gamma_after"] < told["gamma_before"]
