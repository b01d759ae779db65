"""The page of a batch: what it puts first, what it keeps apart, and that it is whole."""

import json
import math
import re

import numpy as np
import pytest
from lxml import html
from matplotlib.figure import Figure

from nstar.batch.page import MOST, forest, page
from nstar.batch.summary import summary
from nstar.batch.table import as_table, varying
from nstar.files.writing import json_text


def row(
    ladder="a",
    law="coupled",
    noise="student_t",
    at=0.5,
    sd=0.01,
    resample="none",
    sample="",
    *,
    passed=True,
    **more,
):
    """A fit's row, of an exponent and of N* at one budget."""
    found = {
        "fit": f"{ladder}/{law}/{noise}/{resample}/{sample}",
        "name": f"{ladder}{law}{noise}{at}",
        "chunk": "c",
        "ladder": ladder,
        "law": law,
        "noise": noise,
        "discrepancy": "none",
        "priors": "weak",
        "seed": 0,
        "resample": resample,
        "sample": sample,
        "runs": 30,
        "C_max": 1e22,
        "method": "importance" if passed else "none",
        "k_hat": 0.3,
        "ess": 900.0,
        "r_hat": math.nan,
        "divergences": 0,
        "passed": passed,
        "reason": "" if passed else "5 runs are too few",
        "prob": 0.9,
        "seconds": 0.1,
        "made_with": "nstar, jax, cpu",
    }
    if passed:
        ends = {"lo": at - 1.64 * sd, "median": at, "hi": at + 1.64 * sd}
        found |= {f"alpha1_{n}": v for n, v in ends.items()} | {
            "alpha1_mean": at,
            "alpha1_sd": sd,
        }
        found |= {f"N[1e+24]_{n}": 1e11 * v for n, v in ends.items()}
        found |= {"log_N[1e+24]_mean": math.log(1e11 * at), "log_N[1e+24]_sd": sd / at}
    return found | more


def batch(*rows):
    names = dict.fromkeys(n for r in rows for n in r)
    return as_table({n: [r.get(n) for r in rows] for n in names})


def told(*rows, before=None, **how):
    document = summary(batch(*rows), None if before is None else batch(*before), **how)
    return json.loads(json_text(document))


def drawn(count=40, spread=0.03):
    means = 0.5 + spread * np.random.default_rng(0).standard_normal(count)
    return [
        row(at=float(m), resample="bootstrap by run", sample=str(i))
        for i, m in enumerate(means)
    ]


def test_a_bootstrap_stands_beside_the_posterior_and_is_not_merged():
    found = told(row(), *drawn())
    alpha = next(q for q in found["quantities"] if q["key"] == "alpha1")
    (own,) = alpha["rows"]
    assert (own["median"], own["sd"]) == (0.5, 0.01)
    (again,) = own["bootstraps"]
    assert again["count"] == 40
    assert 0.02 < again["sd_of_means"] < 0.04
    assert again["mean_of_sds"] == pytest.approx(0.01)
    assert again["ratio"] == pytest.approx(again["sd_of_means"] / 0.01)
    assert any(f["what"] == "posterior too sure" for f in found["look_first"])
    text = html.fromstring(page(found)).text_content()
    assert "sd of posterior means" in text
    assert "posterior's own sd" in text
    narrow = told(row(), *drawn(spread=0.008))
    assert not any(f["what"] == "posterior too sure" for f in narrow["look_first"])


def test_what_failed_comes_first_and_alike_failures_are_one_line():
    lost = [
        row(f"l{i}", passed=False, method="lost", reason="its worker died")
        for i in range(3)
    ]
    few = [row(f"f{i}", passed=False, reason=f"{i} runs are too few") for i in range(9)]
    far = row("b", noise="normal", at=0.7)
    found = told(row("b"), far, *lost, *few)
    assert [f["what"] for f in found["look_first"][:4]] == [
        "failed",
        "lost",
        "exact form",
        "choices disagree",
    ]
    assert "9 of 9 fits" in found["look_first"][0]["detail"]
    assert found["status"] == "FAIL"
    assert found["headline"].startswith("FAIL: 2 of 14 fits passed")


def test_chains_that_cannot_be_read_come_with_what_to_do():
    found = told(
        row("a", passed=False, reason="R-hat 1.012"),
        row("b", passed=False, reason="divergences: 3"),
        row("c", passed=False, reason="divergences: 5"),
    )
    said = findings(found, "failed")
    assert [f["detail"].split(";")[0] for f in said] == [
        "1 of 1 fits: R-hat 1.012",
        "2 of 2 fits: divergences: 3, and the like",
    ]
    assert all("another seed" in f["detail"] for f in said)


def test_a_batch_in_which_all_failed_gives_no_number():
    found = told(row(passed=False), row("b", passed=False))
    assert "no number is given" in found["headline"]
    assert "<svg" not in page(found)


def test_drift_is_told_worst_first_and_equal_names_move_nothing():
    before = [row("a"), row("b"), row("c"), row("gone")]
    now = [row("a", at=0.51), row("b", at=0.45), row("c"), row("new")]
    found = told(*now, before=before)["drift"]
    assert [m["ladder"] for m in found["moves"] if m["key"] == "alpha1"] == [
        "b",
        "a",
        "c",
    ]
    assert found["moves"][0]["change"] == pytest.approx(-5, abs=0.3)
    assert (found["new_ladders"], found["vanished_ladders"]) == (["new"], ["gone"])
    still = told(*before, before=before)["drift"]
    assert still["sentence"].startswith("nothing moved: all 4 fits")


def test_pooled_fits_stand_beside_those_of_their_own_runs():
    found = told(row(), row(at=0.6, resample="pooled"))
    rows = found["quantities"][0]["rows"]
    assert [(r["pooled"], r["median"]) for r in rows] == [(False, 0.5), (True, 0.6)]
    assert any(f["what"] == "pooling moves it" for f in found["look_first"])
    assert "pooled" in html.fromstring(page(found)).text_content()


def test_many_rows_are_cut_into_figures_that_can_be_read():
    laws = ("coupled", "chinchilla", "tied", "kaplan")
    rows = [
        row(f"l{i}", law, noise)
        for i in range(40)
        for law in laws
        for noise in ("student_t", "normal")
    ]
    text = page(told(*rows))
    assert text.count("<svg") == 2 * math.ceil(40 * 8 / (MOST // 8 * 8))


@pytest.mark.parametrize(
    "name",
    ["<script>alert(1)</script>", "a\"b'c&d", "\u202egnp.exe", "$x_{$", "n" * 10_000],
)
def test_a_hostile_name_is_shown_as_it_is_and_does_nothing(name):
    document = told(
        row(name), row(name, law="tied", passed=False, reason=name), name=name
    )
    text = page(document)
    tree = html.fromstring(text)
    assert not tree.xpath("//script")
    assert "\u202e" not in text
    assert len(text) < 400_000


def test_the_page_needs_nothing_else_and_its_figures_have_words():
    text = page(told(row(), *drawn()))
    assert not re.search(r"https?:|url\((?!#)|@import|<link|<script", text)
    tree = html.fromstring(text)
    for figure in tree.xpath("//figure"):
        assert figure.xpath(".//*[local-name()='title']")[0].text
        assert figure.xpath(".//*[local-name()='desc']")[0].text
    assert len(tree.xpath("//figure")) == 2


def findings(document, what):
    return [f for f in document["look_first"] if f["what"] == what]


def test_budgets_far_from_the_runs_and_optima_at_an_end_are_said_before_the_intervals():
    near = {"C_min": 1e21, "C_max": 2e23}
    far, farther = {"C_min": 1e19, "C_max": 1e22}, {"C_min": 1e18, "C_max": 1e19}
    rows = row("a", **near), row("b", **far), row("c", **farther)
    said = findings(told(*rows), "extrapolation")
    assert [f["ladder"] for f in said] == ["c", "b"]
    assert (
        "5.0 decades from the runs, more than 2 times their own range"
        in said[0]["detail"]
    )
    assert "2.0 decades" in said[1]["detail"]
    edged = told(
        row("a", **near, **{"on_edge[1e+24]": 0.4}),
        row("b", **near, **{"on_edge[1e+24]": 0.01}),
    )
    (one,) = findings(edged, "optimum at the edge")
    assert one["ladder"] == "a"
    assert "40% of draws at 1e24 FLOP" in one["detail"]


def test_held_out_runs_are_missed_where_chance_does_not_explain_it():
    def held(ladder, share, count, chance, resample="hold out"):
        return row(
            ladder,
            resample=resample,
            sample="1 decades",
            held_out_coverage_90=share,
            held_out_runs=count,
            held_out_crps=0.1,
            held_out_rmse=0.1,
            held_out_bias=0.0,
            held_out_by_chance=chance,
        )

    rows = (
        held("one", 0.0, 1, 0.1),
        held("together", 0.0, 10, 0.1),
        held("none", 0.0, 6, 0.0),
        held("half", 0.5, 10, 0.01),
        held("part", 0.4, 10, 0.02, "leave out budget"),
    )
    said = findings(told(*rows), "held-out runs missed")
    assert [f["ladder"] for f in said] == ["none", "part", "half"]
    assert ["farther out" in f["detail"] for f in said] == [True, False, True]


def test_what_varies_beside_law_and_noise_is_written_at_each_line():
    rows = [
        row(f"l{i}", discrepancy=d, priors=p)
        for i in range(2)
        for d in ("none", "waves")
        for p in ("weak", "ours")
    ]
    document = told(*rows)
    (q, *_) = document["quantities"]
    ax = forest(Figure().subplots(), q["rows"], q["log"], varying(q["rows"]), document)
    said = [text.get_text() for text in ax.texts]
    assert said == 2 * ["ours priors", "waves", "waves · ours priors"]


def test_every_budget_has_its_figures_and_its_findings():
    def at(low, high, **more):
        ends = {
            "lo": low,
            "median": (low + high) / 2,
            "hi": high,
            "mean": (low + high) / 2,
            "sd": 0.1,
        }
        near = {
            f"L[5e+21]_{n}": 2.0 + 0.1 * i for i, n in enumerate(("lo", "median", "hi"))
        }
        near |= {"L[5e+21]_mean": 2.1, "L[5e+21]_sd": 0.1}
        return row(**more) | near | {f"L[1e+24]_{n}": v for n, v in ends.items()}

    document = told(at(1.0, 1.2, noise="normal"), at(1.5, 1.7, noise="student_t"))
    keys = [q["key"] for q in document["quantities"]]
    assert keys == ["alpha1", "L[5e+21]", "N[1e+24]", "L[1e+24]"]
    (said,) = findings(document, "choices disagree")
    assert said["detail"].startswith("L* of 1e24 FLOP")
    captions = html.fromstring(page(document)).xpath("//figcaption/text()")
    assert len(captions) == len(keys)


def test_losses_of_other_units_have_figures_of_their_own():
    losses = {f"L[1e+24]_{n}": 2.0 for n in ("lo", "median", "hi", "mean", "sd")}
    rows = (
        row("a", loss_unit="nats/token", **losses),
        row("b", loss_unit="bits/byte", **losses),
    )
    rows += (row("a", resample="pooled", loss_unit="unknown", **losses),)
    captions = html.fromstring(page(told(*rows))).xpath("//figcaption/text()")
    assert [c for c in captions if c.startswith("L*")] == [
        f"L* of 1e24 FLOP, loss, {unit}" for unit in ("nats/token", "bits/byte")
    ]


def test_what_each_part_of_the_runs_does_is_on_the_page():
    parts = [
        row(at=0.5 + 0.01 * i, resample="leave out budget", sample=f"{i}e18")
        for i in range(3)
    ]
    text = html.fromstring(page(told(row(), *parts))).xpath(
        "string(//section[@id='leave-out'])"
    )
    assert "without 2e18" in text
    assert "3 of 3" in text
