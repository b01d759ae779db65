"""Pages of curves and of counts: every number is the document's, and no network is asked."""

import json
import re

import numpy as np
import pytest
from lxml import html

from nstar.predictions.curves import predict_curve
from nstar.published import fits as published
from nstar.report.curve_facts import CurveQuestion, gather_curve
from nstar.report.curve_page import curve_page
from nstar.wording import numbers, shares


def sound(text):
    """A page that needs nothing else, runs no script, and names every figure."""
    assert text.startswith("<!doctype html>")
    page = html.fromstring(text)
    assert not page.xpath("//script | //link | //img | //iframe")
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!#)""", text)
    assert "url(http" not in text
    ids = page.xpath("//@id")
    assert len(ids) == len(set(ids))
    for svg in page.xpath("//*[local-name()='svg']"):
        assert svg.xpath("./*[local-name()='title']")
    return page


def test_the_page_of_a_curve(clip_fit):
    asked = CurveQuestion(
        [published.get("openclip_imagenet")], target=0.25, chance=0.8, quick=True
    )
    facts = gather_curve(
        clip_fit, {"C": [1e21, 4e21]}, 0.9, "nstar report clip.csv", asked
    )
    page = sound(curve_page(facts))
    document = facts.document
    assert page.xpath("//section/@id") == [
        "answer",
        "trust",
        "curve",
        "rests",
        "held-out",
        "published",
        "provenance",
    ]
    text = " ".join(page.text_content().split())
    low, middle, high = np.quantile(
        predict_curve(clip_fit, {"C": [4e21]})["law"], [0.05, 0.5, 0.95]
    )
    told = document["predictions"][1]["law"]
    assert (told["lower"], told["median"], told["upper"]) == pytest.approx(
        (low, middle, high)
    )
    assert numbers(told) in text
    assert document["headline"] in text
    assert document["published"][0]["sentence"] in text
    assert "Not tested: --quick was given." in text
    assert "Guessing is taken as right in 0.001 of cases" in text
    for name, of_runs in document["ends"].items():
        (row,) = page.xpath(f"//section[@id='rests']//tr[td[1]//span[text()='{name}']]")
        assert (
            row.text_content().strip().endswith("the runs" if of_runs else "its prior")
        )
    for check in document["checks"]:
        assert check["name"] in text


def test_the_page_of_counts(nstar, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    rows = [
        f"{N:g},{i},10,{random.binomial(10, random.beta(a, 2.0))}"
        for N, a in ((1e9, 0.5), (8e9, 1.6))
        for i in range(40)
    ]
    (tmp_path / "counts.csv").write_text(
        "N,problem,samples,successes\n" + "\n".join(rows) + "\n"
    )
    code, out, _ = nstar(
        "report", "counts.csv", "--tokens", "100", "--budget", "4e12", "--k", "1,50"
    )
    document = json.loads((tmp_path / "counts-report.json").read_text())
    page = sound((tmp_path / "counts-report.html").read_text())
    assert code == 0
    assert document["headline"] in " ".join(out.split())
    assert page.xpath("//section/@id") == [
        "answer",
        "trust",
        "scaling",
        "never",
        "frontier",
        "cost",
        "next",
        "provenance",
    ]
    text = " ".join(page.text_content().split())
    assert [m["name"] for m in document["models"]] == ["1B", "8B"]
    for model in document["models"]:
        assert model["flop_per_sample"] == pytest.approx(2 * model["N"] * 100)
        for record in model["predictions"]:
            assert shares(record["new"]) in text
    best = document["within"][0]["ways"][0]
    assert best["flop"] <= 4e12
    assert shares(best["accuracy"]) in text
    assert [r["flop"] for r in document["frontier"]] == sorted(
        r["flop"] for r in document["frontier"]
    )
    assert len(page.xpath("//figure")) == 2 + 4


def test_what_a_page_lacks_is_said(nstar, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.csv").write_text("C,metric\n1e18,0.9\n1e19,0.8\n")
    for words, said in {
        ("c.csv", "--law", "bounded_metric"): "say where the curve is read",
        (
            "c.csv",
            "--law",
            "repeated_sampling",
        ): "a page of counts needs columns samples and successes",
        ("c.csv",): "say the training budget, as in --budget 3.8e25",
        ("c.csv", "--law", "repeated_by_size"): "nstar passk takes other laws",
    }.items():
        code, out, err = nstar("report", *words)
        assert (code, out) == (2, "")
        assert said in err
