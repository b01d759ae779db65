"""What compute is, and what it takes: against published shapes, hours and hand counts."""

import numpy as np
import numpyro.distributions as dist
import pytest

from nstar.costs.transformers import Transformer, conventions, of_catalogue
from nstar.plans.bills import Bill
from nstar.published import hardware, models

H100 = hardware.get("h100")
LLAMA = ("llama3-8b", "llama3-70b", "llama3-405b")


@pytest.mark.parametrize("name", LLAMA)
def test_shapes_of_the_catalogue_have_the_parameters_it_says(name):
    model = models.get(name)
    shape = of_catalogue(model.architecture)
    assert shape.params == pytest.approx(model.N_total, rel=1e-4)
    assert shape.params_non_embedding == pytest.approx(model.N_non_embedding, rel=1e-3)
    counted = conventions(shape, 8192)
    assert counted["6ND"] * model.D == pytest.approx(model.C, rel=0.01)


def test_published_shapes_of_other_kinds():
    """PaLM 540B, one key head and tied embeddings; Mixtral 8x7B, two experts of eight."""
    palm = Transformer(118, 18432, 73728, 48, 256_000, kv_heads=1, head=256, tied=True)
    assert palm.params == pytest.approx(540.35e9, rel=1e-3)
    mixtral = Transformer(32, 4096, 14336, 32, 32_000, 8, experts=8, experts_used=2)
    assert mixtral.params == pytest.approx(46.7e9, rel=2e-3)
    assert mixtral.params_active == pytest.approx(12.9e9, rel=2e-3)
    gpt3 = Transformer(96, 12288, 49152, 96, 50257, gated=False, tied=True)
    assert gpt3.params == pytest.approx(174.6e9, rel=2e-3)


def test_flop_of_a_token_by_hand():
    """One layer of width 4, two heads, a plain network of 8, ten words, three tokens."""
    shape = Transformer(1, 4, 8, 2, 10, gated=False)
    assert shape.flop_per_token(3) == {
        "attention weights": 6 * 4 * 16,
        "attention scores": 6 * 2 * 4 * 3 / 2,
        "feed-forward": 6 * 2 * 32,
        "unembedding": 6 * 40,
    }
    assert shape.flop_per_token(3, causal=False)["attention scores"] == 12 * 4 * 3
    assert shape.served_flop_per_token(3) == 2 * (64 + 64 + 40 + 2 * 4 * 3)


def test_attention_is_what_exact_counts_add_to_six_n_d():
    shape = of_catalogue(models.get("llama3-405b").architecture)
    counted = conventions(shape, 8192)
    assert 1.03 < counted["exact, causal attention"] / counted["6ND"] < 1.05
    assert conventions(shape, 1)["exact, all scores"] == pytest.approx(
        counted["6ND"] - 6 * shape.embedding - 6 * shape.norms, rel=1e-4
    )


def test_a_shape_that_is_none_is_refused():
    with pytest.raises(ValueError, match="layers = 0"):
        Transformer(0, 4, 8, 2, 10)
    with pytest.raises(ValueError, match="experts_used = 9"):
        Transformer(1, 4, 8, 2, 10, experts=8, experts_used=9)
    assert of_catalogue(models.get("sdxl").architecture) is None


def test_llama_3_took_the_hours_its_card_says():
    """405B alone: the card's hours of the smaller ones hold much besides one run."""
    model = models.get("llama3-405b")
    hours = Bill(H100).charge(np.full(4000, model.C)).hours
    low, high = np.quantile(hours, [0.05, 0.95])
    assert low < model.gpu_hours < high
    assert high / low < 1.2


def test_a_bill_of_numbers_is_arithmetic():
    billed = Bill(H100, mfu=0.4, goodput=0.5, price=2.0).charge(
        9.894e14 * 3600 * np.ones(3)
    )
    assert billed.hours == pytest.approx(np.full(3, 5.0))
    assert billed.money == pytest.approx(np.full(3, 10.0))
    assert Bill(H100, mfu=0.4).charge(1e20).money is None


def test_what_is_uncertain_is_one_draw_for_all_columns():
    """Two actions of one draw meet the same utilisation and the same price."""
    C = np.outer(np.ones(500), [1e24, 2e24])
    billed = Bill(H100, price=dist.LogNormal(0.7, 0.3)).charge(C, seed=3)
    assert billed.money[:, 1] == pytest.approx(2 * billed.money[:, 0])
    assert np.std(np.log(billed.money[:, 0])) == pytest.approx(0.3, rel=0.1)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"mfu": 1.4}, "mfu: expected between 0 and 1, got 1.4"),
        ({"goodput": dist.Normal(0.9, 0.2)}, "goodput: expected between 0 and 1"),
        ({"price": -2.0}, "price: expected positive, got -2"),
        ({"precision": "fp4"}, "h100 has no peak at 'fp4'; there are bf16, fp16, fp8"),
    ],
)
def test_a_bill_that_cannot_be_is_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        Bill(H100, **wrong)


def test_hardware_says_where_its_figures_are_from():
    for name in hardware.names():
        found = hardware.get(name.upper())
        assert found.source
        assert 1e13 < found.flop_per_second() < 1e16
        assert 1e10 < found.memory < 1e12
    with pytest.raises(ValueError, match="nearest: h100"):
        hardware.get("h10")
