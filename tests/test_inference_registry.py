"""Published laws of inference and of other families, as printed, and read as curves."""

import numpy as np
import pytest

from nstar.published import fits as published

CHERTI = {  # arXiv:2212.07143, fig. 1 and 2: error = beta C^alpha, C in GMAC
    "openclip_imagenet": (5.8581, 0.1114),
    "openclip_imagenet_robustness_avg": (11.609, 0.1255),
    "openclip_mscoco_retrieval_r5": (2.7497, 0.0794),
    "openclip_flickr30k_retrieval_r5": (15.506, 0.1892),
    "openclip_vtab": (1.078, 0.0238),
    "openclip_vtab_plus": (1.562, 0.0436),
    "openclip_imagenet_v2": (4.707, 0.0945),
}
LAION = {  # arXiv:2506.04598: error = a (C + b)^c + d, C in GFLOP
    "laion_cmp_imagenet_clip": (57.862083, 18.391321, -0.226604, 0.111169),
    "laion_cmp_imagenet_mammut": (125.356572, 19.289384, -0.25567, 0.101112),
    "laion_cmp_imagenet_r_clip": (68.058933, 18.540562, -0.228449, 0.0),
    "laion_cmp_imagenet_r_mammut": (76.142172, 18.500197, -0.231235, 2.91e-4),
}


@pytest.mark.parametrize("name", CHERTI)
def test_lines_of_seven_tasks_of_clip(name):
    beta, alpha = CHERTI[name]
    fit = published.get(name)
    assert (fit.coefficients["beta"], -fit.coefficients["alpha"]) == (beta, alpha)
    assert (fit.compute_unit, fit.compute_scope) == ("GMAC", "forward")
    np.testing.assert_allclose(fit.curve(1e12), beta * 1e12**-alpha)


@pytest.mark.parametrize("name", LAION)
def test_curves_of_clip_and_mammut(name):
    a, b, c, d = LAION[name]
    fit = published.get(name)
    assert tuple(fit.coefficients[v] for v in "abcd") == (a, b, c, d)
    assert (fit.compute_unit, fit.compute_scope) == ("GFLOP", "forward")
    np.testing.assert_allclose(fit.curve(1e11), a * (1e11 + b) ** c + d)


def test_exponents_of_repeated_sampling():
    """Schaeffer et al. (2025): Pythia's by least squares and by the distribution."""
    found = published.get("schaeffer_powerlaw").coefficients
    assert found["b_pythia70m"] == {"least_squares": 0.2, "kumaraswamy": 0.27}
    assert found["b_other_pythia"] == "0.28-0.37"
    jailbreaks = {
        "gemini15pro": [0.26, 0.31],
        "claude35sonnet": [0.31, 0.32],
        "gpt4o": [0.4, 0.3],
        "claude3opus": [0.45, 0.4],
        "gpt4o_mini": [0.49, 0.39],
    }
    assert found["b_bon_jailbreak"] == jailbreaks


def test_the_line_of_optimal_sizes():
    """Wu et al. (2024): log10 C = 1.19 log10 N + 2.03."""
    fit = published.get("wu_inference")
    assert (fit.coefficients["slope"], fit.coefficients["intercept"]) == (1.19, 2.03)
    N = np.array([4.1e8, 7e9, 3.4e10])
    np.testing.assert_allclose(np.log10(fit.curve(N)), 1.19 * np.log10(N) + 2.03)


def test_laws_of_diffusion_transformers():
    """Liang et al. (2024), eq. 5 to 7, and their FID."""
    optima = published.get("dit_alloc")
    assert optima.values == {"N0": 9.0e-4, "a": 0.5681, "D0": 186.8535, "b": 0.4319}
    best = optima.optimum(6e18)
    np.testing.assert_allclose(best.N, 9.0e-4 * 6e18**0.5681)
    np.testing.assert_allclose(best.D, 186.8535 * 6e18**0.4319)
    np.testing.assert_allclose(
        published.get("dit_loss").curve(1e18), 2.3943 * 1e18**-0.0273
    )
    np.testing.assert_allclose(
        published.get("dit_fid").curve(1e18), 2.2566e6 * 1e18**-0.234
    )


def test_the_law_of_visual_tokens():
    """Li et al. (2024): alpha 0.077, beta 0.015; least squares of their points beside."""
    fit = published.get("vlm_inference_llava")
    assert (fit.coefficients["alpha"], fit.coefficients["beta"]) == (0.077, 0.015)
    assert (fit.values["p"], fit.values["q"]) == (-0.0709, -0.0151)
    v, N, T = fit.values, 1.8e9, 36.0
    ours = 0.5908 * (N / 1e9) ** -0.0709 * T**-0.0151
    assert v["c"] * N ** v["p"] * T ** v["q"] == pytest.approx(ours, rel=1e-3)
