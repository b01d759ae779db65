"""The registry of released models, and models beside published laws."""

import numpy as np
import pytest

from nstar.published import fits as published
from nstar.published import models
from nstar.published.families import compare_with_family


@pytest.mark.parametrize("name", models.names())
def test_a_model_says_where_its_numbers_come_from(name):
    model = models.get(name)
    assert model.citation
    assert model.architecture["kind"]
    assert (model.C is None) == (model.C_counted is None)
    assert (model.gpu_hours is None) == (model.gpu is None)
    for count in (model.N, model.D, model.C, model.gpu_hours):
        assert count is None or count > 0


@pytest.mark.parametrize("name", [n for n in models.names() if n.startswith("llama3")])
def test_llama3_compute_is_six_times_parameters_times_tokens(name):
    model = models.get(name)
    np.testing.assert_allclose(6.0 * model.N * model.D, model.C, rtol=5e-3)
    assert "decoder-only" in model.architecture["kind"]
    assert len(model.stages) == 3


def test_llama3_parameters_follow_from_the_architecture():
    for name in ("llama3-8b", "llama3-70b", "llama3-405b"):
        model = models.get(name)
        a = model.architecture
        d, kv = a["d_model"], a["d_model"] * a["kv_heads"] // a["heads"]
        block = 2 * d * d + 2 * d * kv + 3 * d * a["ffn"] + 2 * d
        inner = a["layers"] * block + d
        np.testing.assert_allclose(inner, model.N_non_embedding, rtol=1e-3)
        total = inner + 2 * a["vocabulary"] * d
        np.testing.assert_allclose(total, model.N_total, rtol=1e-3)


def test_openclip_compute_agrees_with_the_published_table():
    # GMACs in total of LAION-AI/scaling-laws-openclip, zeroshot_results.csv.
    for name, gmacs in {
        "clip-vit-l-14": 1122944000000.0,
        "openclip-vit-h-14": 6631508868008.96,
        "openclip-vit-g-14": 3549396664594.8,
        "openclip-vit-b-32": 256967930163.2,
    }.items():
        np.testing.assert_allclose(models.get(name).C, gmacs * 6e9, rtol=1e-5)


def test_llama3_405b_beside_the_llama3_law():
    told = models.compare(models.get("llama3-405b"), published.get("llama3"))
    np.testing.assert_allclose(told["D_star"], 16.29e12, rtol=1e-3)
    np.testing.assert_allclose(told["D_ratio"], 15.6 / 16.29, rtol=1e-3)
    np.testing.assert_allclose(told["tokens_per_parameter"], 38.4, rtol=1e-2)
    assert told["loss"] is None
    assert "no loss" in told["reason"]


def test_a_surface_gives_the_loss_at_the_models_own_size_and_data():
    told = models.compare(models.get("llama3-8b"), published.get("chinchilla"))
    assert told["reason"] is None
    assert told["loss_unit"] == "nats/token"
    assert told["loss"] > told["loss_star"]
    assert told["N_ratio"] < 1.0 < told["D_ratio"]
    expected = 1.69337 + 406.4 / 8.03e9**0.33917 + 410.7 / 1.56e13**0.28491
    np.testing.assert_allclose(told["loss"], expected, rtol=1e-3)


def test_parameters_are_counted_as_the_law_counts_them():
    told = models.compare(models.get("llama3-405b"), published.get("kaplan"))
    assert told["params_counted"] == "non-embedding"
    assert told["N"] == models.get("llama3-405b").N_non_embedding


@pytest.mark.parametrize(
    ("model", "fit", "reason"),
    [
        ("clip-vit-l-14", "llama3", "a law for text"),
        ("llava-1.5-7b", "llama3", "compute of llava-1.5-7b is not known"),
        ("llama3-8b", "openclip_imagenet", "a law for vision-language contrastive"),
        ("llama3-8b", "skaling", "neither an optimum nor a loss"),
    ],
)
def test_what_cannot_be_compared_says_why(model, fit, reason):
    told = models.compare(models.get(model), published.get(fit))
    assert reason in told["reason"]
    assert told["N_star"] is None
    assert told["loss"] is None


def test_a_law_without_a_minimum_so_far_out_gives_no_number():
    told = models.compare(models.get("llama3-405b"), published.get("farseer:quoted"))
    assert told["N_star"] is None
    assert told["loss_star"] is None
    assert "neither an optimum" in told["reason"]


def test_clip_beside_the_openclip_law():
    told = models.compare(
        models.get("openclip-vit-h-14"), published.get("openclip_imagenet")
    )
    # Measured zero-shot error 1 - 0.780 on ImageNet; law 0.219 at 6.6e12 GMAC.
    np.testing.assert_allclose(told["loss_star"], 0.219, atol=1e-3)


def test_unknown_names_say_what_is_near():
    with pytest.raises(ValueError, match=r"'llama3-9b'; nearest: llama3-8b"):
        models.get("llama3-9b")


def test_every_model_stands_beside_its_family_or_says_why_not():
    """Cherti's line gives ViT-H/14 0.218, and 0.220 was measured."""
    (cherti, laion) = compare_with_family(models.get("openclip-vit-h-14"))
    assert cherti["published"] == pytest.approx(5.8581 * (3.97891e22 / 6e9) ** -0.1114)
    assert cherti["ratio"] == pytest.approx(0.22028 / cherti["published"])
    assert laion["ratio"] == pytest.approx(0.22028 / laion["published"])
    (llama,) = compare_with_family(models.get("llama3-405b"))
    assert llama["ratio"] == pytest.approx(1, abs=0.1)
    for name in models.names():
        held = compare_with_family(models.get(name))
        assert held, name
        assert all((r["ratio"] is None) == bool(r["reason"]) for r in held)
    (llava,) = compare_with_family(models.get("llava-1.5-7b"))
    expected = 0.5908 * 6.74**-0.0709 * 576**-0.0151
    assert llava["published"] == pytest.approx(expected, rel=1e-3)
    assert llava["reason"] == "no mean_error of llava-1.5-7b is in the catalogue"
    (painted,) = compare_with_family(models.get("stable-diffusion-1.5"))
    assert "the training compute of stable-diffusion-1.5" in painted["reason"]
    fid, size = compare_with_family(models.get("dit-b-2"))
    assert "0.4 decades outside" in fid["note"]
    assert size["quantity"] == "N"
