"""The registry of published fits: complete, in the right units, and right."""

import math

import numpy as np
import pytest

from nstar.published import fits as published
from nstar.published.forms import CURVES, FORMS, along_cost

C_TABLE = (1e19, 1e21, 3.8e25)
# N*, D* (and L* where the law has one) at C_TABLE, computed with C = 6 N D from the
# printed coefficients when the registry was collected: its table derived_comparison.
DERIVED = {
    "chinchilla_A3_rounded": [
        (2.280e8, 7.311e9, 2.9857),
        (1.824e9, 9.136e10, 2.3289),
        (2.135e11, 2.967e13, 1.8165),
    ],
    "chinchilla_A3_unrounded": [
        (2.708e8, 6.154e9, 2.9219),
        (2.217e9, 7.518e10, 2.2955),
        (2.732e11, 2.318e13, 1.811),
    ],
    "besiroglu_epoch": [
        (2.625e8, 6.350e9, 2.926),
        (2.782e9, 5.991e10, 2.3048),
        (6.196e11, 1.022e13, 1.8913),
    ],
    "muennighoff_unique": [
        (2.915e8, 5.717e9, 2.947),
        (2.915e9, 5.717e10, 2.3477),
        (5.683e11, 1.115e13, 1.9437),
    ],
    "marin_delphi_A3": [
        (6.122e8, 2.722e9, 3.3784),
        (3.472e9, 4.800e10, 2.8231),
        (1.847e11, 3.430e13, 2.5948),
    ],
    "llama3_openathena_A3": [
        (3.062e8, 5.444e9, 0.8803),
        (3.110e9, 5.359e10, 0.7387),
        (6.284e11, 1.008e13, 0.6289),
    ],
    "llama3_openathena_vpnls": [
        (3.045e8, 5.474e9, 0.8803),
        (3.085e9, 5.402e10, 0.7391),
        (6.200e11, 1.021e13, 0.6307),
    ],
    "porian_rw_tuned": [
        (3.283e8, 5.076e9, None),
        (3.236e9, 5.150e10, None),
        (6.106e11, 1.037e13, None),
    ],
    "porian_rw_cosine": [
        (3.443e8, 4.832e9, None),
        (4.786e9, 3.475e10, None),
        (1.983e12, 3.184e12, None),
    ],
    "porian_owt2_tuned": [
        (3.328e8, 5.024e9, None),
        (3.623e9, 4.644e10, None),
        (8.579e11, 7.558e12, None),
    ],
    "hunyuan_large": [
        (7.085e7, 1.012e10, None),
        (8.154e8, 1.012e11, None),
        (2.192e11, 1.973e13, None),
    ],
    "xlstm_paper_transformer_ctx8192": [
        (1.912e8, 6.730e9, None),
        (2.699e9, 4.748e10, None),
        (1.159e12, 4.165e12, None),
    ],
    "xlstm_paper_xlstm_ctx8192": [
        (3.010e8, 6.559e9, None),
        (3.742e9, 4.479e10, None),
        (1.201e12, 3.645e12, None),
    ],
    "marin_grug_moe": [
        (1.594e8, 1.047e10, None),
        (1.873e9, 8.874e10, None),
        (5.280e11, 1.183e13, None),
    ],
    "marin_delphi_A2": [
        (6.102e8, 3.016e9, None),
        (3.689e9, 4.248e10, None),
        (2.271e11, 1.815e13, None),
    ],
    "gemstones_A1": [
        (1.789e8, 9.170e9, None),
        (1.784e9, 8.401e10, None),
        (3.455e11, 1.340e13, None),
    ],
    "dit_alloc": [
        (5.599e7, 3.003e10, None),
        (7.662e8, 2.195e11, None),
        (3.063e11, 2.086e13, None),
    ],
    "llama3_tokens_fig3": [
        (3.493e8, 4.772e9, None),
        (2.946e9, 5.658e10, None),
        (3.887e11, 1.629e13, None),
    ],
    "llama3_tokens_text": [
        (4.892e8, 3.407e9, None),
        (4.260e9, 3.912e10, None),
        (6.053e11, 1.046e13, None),
    ],
    "kaplan_alloc": [
        (2.678e8, 6.223e9, None),
        (7.724e9, 2.158e10, None),
        (1.702e13, 3.720e11, None),
    ],
}
EVERY = [
    name
    for stem in published.names()
    for name in (stem, *(f"{stem}:{v}" for v in published.get(stem).variants))
]


@pytest.mark.parametrize("name", DERIVED)
def test_optima_are_those_worked_out_from_the_printed_coefficients(name):
    found = published.get(name).optimum(C_TABLE)
    N, D, L = zip(*DERIVED[name], strict=True)
    np.testing.assert_allclose(found.N, N, rtol=5e-4)
    np.testing.assert_allclose(found.D, D, rtol=5e-4)
    if L[0] is not None:
        np.testing.assert_allclose(found.loss, L, rtol=5e-5)


def test_the_registry_is_whole():
    assert len(published.names()) == 203
    assert len(published.names(core=True)) == 95
    assert len(published.traps()) == 12


@pytest.mark.parametrize("name", EVERY)
def test_every_entry_has_a_known_form_and_can_be_asked_everything(name):
    fit = published.get(name)
    assert fit.form in FORMS
    assert fit.citation
    assert fit.confidence
    assert fit.C_range is None or fit.C_range[0] < fit.C_range[1]
    assert all(math.isfinite(v) for v in fit.values.values())
    best = fit.optimum([1e20, 1e22])
    for quantity in best:
        assert quantity is None or quantity.shape == (2,)
        assert quantity is None or not np.any(quantity <= 0.0)
    loss = fit.loss(1e9, 2e10)
    assert loss is None or 0.0 < loss < 1e3
    if fit.form in CURVES and fit.values:
        assert np.isfinite(fit.curve(2.0))


@pytest.mark.parametrize("name", published.names())
def test_a_form_comes_with_its_numbers(name):
    fit = published.get(name)
    assert bool(fit.values or fit.variants or fit.table) == (fit.form != "none")


@pytest.mark.parametrize(
    "name", [n for n in EVERY if published.get(n).loss(1e9, 1e10) is not None]
)
def test_no_neighbour_on_the_cost_line_has_a_lower_loss(name):
    fit, C = published.get(name), np.array([1e19, 1e21])
    best = fit.optimum(C)
    np.testing.assert_allclose(6.0 * best.N * best.D, C, rtol=1e-9)
    for step in (0.98, 1.02):
        assert np.all(fit.loss(best.N * step, best.D / step) > best.loss)


@pytest.mark.parametrize("C", [1e19, 1e21, 1e23, 1e25, 1e27])
def test_the_search_finds_the_closed_form(C):
    gadre = published.get("gadre_loss_c4")
    v = gadre.values
    best = gadre.optimum(C)
    M = (v["b"] / v["a"]) ** (0.5 / v["eta"])
    np.testing.assert_allclose(best.D / best.N, M, rtol=1e-6)
    joint = published.get("kaplan_L_ND").values
    same = {  # its power 1/alpha_D is additive: the optimum is the same
        "alpha": joint["alpha_N"] / joint["alpha_D"],
        "A": joint["N_c"] ** (joint["alpha_N"] / joint["alpha_D"]),
        "beta": 1.0,
        "B": joint["D_c"],
    }
    expected = along_cost("additive", same, np.array(C), 6.0)
    found = published.get("kaplan_L_ND").optimum(C)
    np.testing.assert_allclose(found.N, expected.N, rtol=1e-6)


def test_llama3_is_a_law_for_tokens_and_carries_the_printed_prediction():
    llama = published.get("llama3")
    assert llama.id == "llama3_tokens_fig3"
    np.testing.assert_allclose(llama.optimum(3.8e25).D, 16.29e12, rtol=1e-3)
    assert llama.exponents() == {"N": pytest.approx(0.463), "D": 0.537}
    (printed,) = llama.printed
    assert (printed["C"], printed["N"], printed["D"]) == (3.8e25, 402e9, 16.55e12)
    assert 6.0 * printed["N"] * printed["D"] == pytest.approx(3.99e25, rel=2e-3)


def test_published_values_at_their_own_budgets():
    # Besiroglu et al. (2024): tokens per parameter at Chinchilla's 5.76e23 FLOP are
    # 92.6 with Hoffmann's rounded coefficients and 58.9 with the unrounded.
    for name, ratio in {"chinchilla_A3_rounded": 92.6, "chinchilla": 58.9}.items():
        best = published.get(name).optimum(5.76e23)
        np.testing.assert_allclose(best.D / best.N, ratio, rtol=5e-3)
    # Liang et al. (2024): 958.3M parameters at 1.5e21 FLOP.
    dit = published.get("dit_alloc").optimum(1.5e21)
    np.testing.assert_allclose(dit.N, 958.3e6, rtol=0.02)
    # Cherti et al. (2022): error 0.219 at 6.6e12 GMAC, forward pass alone.
    openclip = published.get("openclip_imagenet").optimum(6.6e12 * 2e9 * 3.0)
    assert openclip.loss == pytest.approx(0.219, abs=5e-4)
    # Nezhurina et al. (2025): CLIP and MaMMUT cross at 6.8e10 GFLOP.
    clip, mammut = (
        published.get(f"laion_cmp_imagenet_{kind}").optimum(6.8e10 * 1e9 * 3.0).loss
        for kind in ("clip", "mammut")
    )
    assert clip == pytest.approx(mammut, rel=2e-3)
    # Marin: 2.606 projected at 1e21 FLOP.
    assert published.get("marin_grug_moe").optimum(1e21).loss == pytest.approx(
        2.606, abs=1e-3
    )
    # Brown et al. (2024): coverage of Llama-3-8B on MATH, exp(-1.33 k^-0.43).
    monkeys = published.get("monkeys_llama3_8b_instruct_math")
    assert monkeys.curve(1) == pytest.approx(math.exp(-1.33))


def test_exponents_agree_with_the_printed_ones():
    for name in ("besiroglu_epoch", "busbridge_supervised", "marin_delphi_A3"):
        fit = published.get(name)
        assert fit.exponents()["N"] == pytest.approx(fit.coefficients["a"], abs=1e-3)
    assert published.get("deepseek_by_data:openwebtext2").exponents() == {
        "N": 0.578,
        "D": 0.422,
    }


def test_a_misprint_is_kept_as_printed_and_mended_in_the_table():
    fit = published.get("chinchilla_tableA3_A3")
    assert fit.coefficients["rows"][4][1] == 1.26e24
    np.testing.assert_allclose(fit.optimum(1.26e25).N, 175e9)
    assert np.isnan(fit.optimum(1e18).N)


def test_what_is_not_published_is_none_and_named():
    minicpm = published.get("minicpm")
    assert minicpm.coefficients["C_N"] is None
    assert "C_N" in minicpm.unpublished
    assert published.get("skaling").optimum(1e22) == (None, None, None)
    assert published.get("llama3").loss(1e9, 1e11) is None
    # Its a and b do not sum to one: tokens must not be made up from C = 6 N D.
    assert published.get("linear_attn_softmax").optimum(1e22).D is None


def test_a_unit_that_is_not_known_is_not_computed_with():
    assert published.get("zhai_vit_finetune").optimum(1e22) == (None, None, None)


def test_unknown_names_say_what_is_near():
    with pytest.raises(ValueError, match=r"'lama3'; nearest: llama3"):
        published.get("lama3")
    with pytest.raises(ValueError, match=r"no variant 'MLU'; variants: MMLU"):
        published.get("olmo_ladder_step1:MLU")
    with pytest.raises(ValueError, match="no curve of one input"):
        published.get("chinchilla").curve(1.0)
