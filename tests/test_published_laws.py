"""Each law is its paper's formula: published coefficients give published losses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from scipy.optimize import least_squares

from nstar.costs.cost_line import optimum
from nstar.costs.training import SIX
from nstar.laws import LAWS
from nstar.laws.broken import Broken
from nstar.laws.data_constrained import DataConstrained
from nstar.laws.experts import Experts
from nstar.laws.farseer import Farseer
from nstar.laws.kaplan import Kaplan
from nstar.laws.precision import Precision
from nstar.laws.sparsity import Sparsity
from nstar.laws.tied import Tied
from nstar.laws.vocabulary import Vocabulary

N = np.geomspace(1e7, 1e11, 7)
D = np.geomspace(1e9, 1e13, 7)[::-1]


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


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


def test_kaplan():
    """Kaplan et al. (2020), eq. 4.1 and table 2: 6.4e13, 1.8e13, 0.076, 0.103."""
    law, alpha, beta = Kaplan(), 0.076, 0.103
    a, b = (6.4e13 / law.N0) ** (alpha / beta), 1.8e13 / law.D0
    params = {
        "level": (a + b) ** beta,
        "size_share": a / (a + b),
        "alpha1": beta / (alpha + beta),
        "exponent_sum": alpha + beta,
    }
    paper = ((6.4e13 / N) ** (alpha / beta) + 1.8e13 / D) ** beta
    np.testing.assert_allclose(law.loss(params, N, D), paper, rtol=1e-10)
    told = law.derived(params)
    np.testing.assert_allclose([told["N_c"], told["D_c"]], [6.4e13, 1.8e13], rtol=1e-8)
    assert law.floor(params) == 0


def test_tied():
    """Gadre et al. (2024), C4: E 1.5083, eta 0.12124, a 141.3, b 189.5."""
    law, eta = Tied(), 0.12124
    params = additive(law, 1.5083, 141.3 * 6**-eta, 2 * eta, 189.5 * 6**-eta, 2 * eta)
    C, M = 6 * N * D, D / N
    paper = 1.5083 + (141.3 * M**eta + 189.5 * M**-eta) * C**-eta
    np.testing.assert_allclose(law.loss(params, N, D), paper, rtol=1e-10)
    told = law.derived(params)
    np.testing.assert_allclose(
        [told[n] for n in ("E", "eta", "a", "b")], [1.5083, eta, 141.3, 189.5]
    )


FARSEER = (-0.124, 0.123, 0.424), (88.01, -0.1, -6.287), (-0.021, 0.169, -0.091)


def farseer(N, D):
    """Loss of Li et al. (2025), sec. 4.4, in bits per character."""
    (a1, q1, b1), (a2, q2, b2), (a3, q3, b3) = FARSEER
    data = np.exp(a2 * N**q2 + b2) * D ** -np.exp(a1 * N**q1 + b1)
    return np.exp(a3 * N**q3 + b3) + data


@pytest.mark.parametrize("N0", [1e9, 3e8])
def test_farseer(N0):
    """Theirs is ours where D is counted in single tokens; and back to its coefficients."""
    (a1, q1, b1), (a2, q2, b2), (a3, q3, b3) = FARSEER
    endless, data = np.exp(a3 * N0**q3 + b3), np.exp(a2 * N0**q2 + b2)
    params = {
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
    law = Farseer(N0, 1.0)
    np.testing.assert_allclose(law.loss(params, N, D), farseer(N, D), rtol=1e-10)
    told = law.derived(params)
    np.testing.assert_allclose(
        [told[f"{n}_{i}"] for i in (1, 2, 3) for n in "ab"], [a1, b1, a2, b2, a3, b3]
    )


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


def test_data_constrained():
    """Muennighoff et al. (2023), eq. 5 and 6 with the coefficients of their repository."""
    law, alpha = DataConstrained(), 0.3526596
    E, A, B = np.exp([0.6254804, 6.255414, 7.3049974])
    params = additive(law, E, A, alpha, B, alpha) | {"R_D": 15.387756, "R_N": 5.309743}
    unique = D / np.array([1, 2, 4, 16, 50, 1, 7])
    fed = np.minimum(unique * (A / B) ** (1 / alpha), N)
    worth_D = unique + unique * 15.387756 * (1 - np.exp(-(D / unique - 1) / 15.387756))
    worth_N = fed + fed * 5.309743 * (1 - np.exp(-(N / fed - 1) / 5.309743))
    paper = E + A * worth_N**-alpha + B * worth_D**-alpha
    x = {"N": N, "D": D, "unique_tokens": unique}
    np.testing.assert_allclose(np.exp(law.expected(params, x)), paper, rtol=1e-9)


def test_experts():
    """Clark et al. (2022), S-BASE: log L bilinear in log N and log E, where E = B = 0."""
    a, b, c, d = -0.082, -0.108, 0.009, 1.104
    law, E = Experts(N0=1e8), np.array([1, 2, 8, 16, 64, 128, 256.0])
    log = np.log10
    params = additive(law, 0.0, 10**d, -a, 0.0, 0.5) | {
        "expert_worth": (b + c * 8) / a,
        "expert_fade": -c / a / np.log(10),
        "expert_limit": 1e12,
    }
    paper = 10 ** (a * log(N) + b * log(E) + c * log(N) * log(E) + d)
    ours = law.expected(params, {"N": N, "D": D, "total_params": N * E})
    np.testing.assert_allclose(np.exp(ours), paper, rtol=1e-8)


def test_precision():
    """Kumar et al. (2024): alpha = beta = 0.4965, E 2.7648, both powers one."""
    law, bits, many = Precision(), np.array([2, 3, 4, 6, 8, 12, 16.0]), np.full(7, 16.0)
    params = additive(law, 2.7648, 4299.0, 0.4965, 18060.0, 0.4965) | {
        "weight_decay_bits": 2.6745,
        "weight_power": 1.0,
        "activation_decay_bits": 2.2102,
        "activation_power": 1.0,
    }
    worth = (1 - np.exp(-bits / 2.6745)) * (1 - np.exp(-many / 2.2102))
    paper = 2.7648 + 4299.0 * (N * worth) ** -0.4965 + 18060.0 * D**-0.4965
    x = {"N": N, "D": D, "weight_bits": bits, "activation_bits": many}
    np.testing.assert_allclose(np.exp(law.expected(params, x)), paper, rtol=1e-9)


def test_sparsity():
    """Frantar et al. (2023), table 1, T5 on C4."""
    law, S = Sparsity(density=0.3), np.array([0, 0.5, 0.75, 0.875, 0.5, 0.0, 0.9])
    aS, bS, cS, bN, aD, bD, c = 16.8, 0.722, 45.0, 0.245, 6.9e8, 0.203, 0.651
    at_reference = aS * law.density**bS + cS
    params = additive(law, c, at_reference, bN, aD**bD, bD) | {
        "sparse_share": 1 - cS / at_reference,
        "sparse_exponent": bS,
    }
    paper = (aS * (1 - S) ** bS + cS) * N**-bN + (aD / D) ** bD + c
    ours = law.expected(params, {"N": N, "D": D, "sparsity": S})
    np.testing.assert_allclose(np.exp(ours), paper, rtol=1e-9)
    told = law.derived(params)
    np.testing.assert_allclose([told["a_S"], told["c_S"]], [aS, cS])


def test_vocabulary():
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
    params = {
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
    np.testing.assert_allclose(law.expected(params, x), paper, rtol=1e-9)
    told = law.derived(params)
    np.testing.assert_allclose(
        [told[n] for n in ("E", "A", "A_v", "B")], [E, A, A_v, B]
    )


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
