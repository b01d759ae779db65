"""The verdict of a report, by its rule."""

import pytest

from nstar.plans.bills import Bill
from nstar.published import hardware
from nstar.report.verdict import Ruling, rule, worth_their_cost
from nstar.verdicts import Check, Status

GOOD = Check("routes agree", Status.PASS, "they do")
DOUBT = Check("extrapolation", Status.REVIEW, "far")
BAD = Check("loss surface: convergence", Status.FAIL, "R-hat 1.2")


def run(worth, C=1e22):
    return {"N": 1.2e10, "D": 3e11, "C": C, "worth": worth, "saved": 1e-3}


LIKELY = {"loss": 1.95, "asked": 0.9, "chance": 0.93}
UNLIKELY = LIKELY | {"chance": 0.62}
POOR, RICH = run(9e21), run(5e22)
CASES = {
    "nothing against it": ([GOOD, DOUBT], LIKELY, [POOR], Ruling.GO),
    "no target": ([GOOD], None, [POOR], Ruling.GO),
    "no loss": ([GOOD], None, None, Ruling.GO),
    "no run that could be made": ([GOOD], LIKELY, [], Ruling.GO),
    "a run without a worth": ([GOOD], LIKELY, [run(None)], Ruling.GO),
    "a run worth more than its cost": ([GOOD], LIKELY, [POOR, RICH], Ruling.PILOT),
    "a target below its chance": ([GOOD], UNLIKELY, [POOR], Ruling.STOP),
    "both": ([GOOD], UNLIKELY, [RICH], Ruling.STOP),
    "a check that fails": ([GOOD, BAD], LIKELY, [RICH], Ruling.STOP),
}


@pytest.mark.parametrize(
    ("checks", "target", "runs", "ruling"), CASES.values(), ids=CASES
)
def test_the_rule(checks, target, runs, ruling):
    verdict = rule(checks, target, runs, None)
    document = verdict.as_json()
    assert verdict.ruling is ruling
    assert document["ruling"] == str(ruling)
    assert verdict.headline().lower().startswith(f"{ruling}: ")
    assert document["rule"].startswith("The rule: do not, where a check FAILs")


def test_a_failing_check_is_named_and_a_target_has_its_chances():
    assert "loss surface: convergence FAILs" in rule([BAD], None, [], None).headline()
    reason = rule([GOOD], UNLIKELY, [RICH], None).headline()
    assert "loss 1.95 has a chance of 62%, and 90% was asked for" in reason
    assert "Before asking again: a run of 12B parameters on 300B tokens" in reason


def test_a_pilot_has_its_cost_and_worth_in_flop_and_in_money():
    bill = Bill(hardware.get("h100"), mfu=0.4, goodput=0.9, price=2.0)
    verdict = rule([GOOD], LIKELY, [POOR, RICH], bill)
    pilot = verdict.as_json()["pilot"]
    hour = 9.894e14 * 0.4 * 0.9 * 3600  # FLOP
    assert pilot["cost"]["median"] == pytest.approx(2 * 1e22 / hour)
    assert pilot["worth_cost"]["median"] == pytest.approx(2 * 5e22 / hour)
    assert "costs 1e22 FLOP (USD 15.6K) and is worth 5e22 FLOP (USD 78K)" in (
        verdict.headline()
    )


def test_what_the_rule_could_not_see_is_said():
    bill = Bill(hardware.get("h100"), price=2.0)
    blind = rule([GOOD], None, [POOR], None).as_json()["rests_on"]
    assert "no target was given" in blind
    assert "no price was given" in blind
    assert "no loss" in rule([GOOD], LIKELY, None, bill).as_json()["rests_on"]
    assert rule([GOOD], LIKELY, [POOR], bill).as_json()["rests_on"] == ""


def test_pilots_are_ranked_by_what_they_are_worth_beyond_their_cost():
    dear = run(8e22, C=6e22)
    runs = [POOR, run(1e22), dear, RICH, run(None)]
    assert worth_their_cost(runs) == [RICH, dear]
