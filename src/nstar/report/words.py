"""Sentences of the report, apart from its markup."""

SECTIONS = {
    "decision": "The decision",
    "trust": "Can it be trusted?",
    "buys": "What the budget buys",
    "spend": "How to spend it",
    "wrong": "What can go wrong",
    "money": "Money and time",
    "published": "Beside the published fits and released models",
    "next": "What to run next",
    "provenance": "Provenance: where this comes from, and how to repeat it",
}
INTRODUCTIONS = {
    "decision": (
        "Each figure has the draws of the posterior, the line its median, the shade its central {prob}. "
        "N* is where the loss is least under a draw; the run to train is one for all draws."
    ),
    "held_out": (
        "The same routes fitted to the smaller of these very runs, and what they said of the larger "
        "ones: intervals are of measured runs, with their noise; errors and widths are on the scale the law is fitted on, "
        "for most the log of the loss, where 0.01 is one percent. A 90% interval should hold about nine runs of ten, but runs of one "
        "budget err together."
    ),
    "optima": (
        "The same re-fits on the tokens to train with: the measured optimum of each held-out budget, the minimum of a "
        "parabola in log D, and what was said of it. An error below zero asked for too few tokens. Budgets share one "
        "line and its bend, so misses come together: the last column is how often the route's own joint draws "
        "miss as many, or more. The mixture's weights rest on this and on the losses above, half of each budget by "
        "either. A route without a loss has no part in them and is held out only where it stands alone."
    ),
    "forecasts": (
        "What this project forecast before its runs were made, each frozen in a ledger with its date and a "
        "hash, and what came: the median and {prob} interval of a measured run. An error above zero was "
        "predicted too high. This is the record to judge the next forecast by; forecasts of one fit err together."
    ),
    "answer": (
        "Median [{prob} equal-tailed credible interval]. N* and D* are the law's line, which for "
        "profiles and measured optima may bend smoothly about a power law; “next measured D*” "
        "adds the scatter between budgets with which a new one's optimum would fall, and the "
        "error of measuring it. "
        "The loss is that of the recommended run (of least expected loss) under every draw, without run "
        "noise or scatter between budgets; regret is what it gives away against each draw's own "
        "optimum on the law's line."
    ),
    "line": (
        "The loss of the recommended run of every budget, by the {by}: median and bands of 50%, 80% and "
        "95% probability, without run noise. The shaded part lies beyond the largest run."
    ),
    "shares": (
        "Where the uncertainty of that loss comes from, as a share of the variance of the log "
        "loss that a run would measure: the law's parameters, the discrepancy with which the "
        "surface may bend about its form, and the noise of a run. Near the runs the bend undoes "
        "what the parameters leave open, and a share may be below zero. Another form would add "
        "its own: see “What can go wrong”."
    ),
    "allocation": (
        "Bands hold the law's line with {prob} probability. Dots are measured optima, the "
        "minima of parabolas in log D. Dashes are the published law, the star its own printed "
        "prediction. The shaded part lies beyond the largest run."
    ),
    "target": (
        "At {budget} FLOP: first the loss along the line of equal cost with its {prob} band; the dot "
        "is the recommended run, the ticks below are draws of N*. A flat curve means that a "
        "wide interval on N* costs little: then the mean regret of every size the budget "
        "could buy, and dotted what one draw in twenty exceeds; ticks on top are actions."
    ),
    "candidates": (
        "Nobody can train at each draw's own optimum, so the recommended run is that of least "
        "expected loss. Regret is the loss an action gives away against each draw's own best run; "
        "compute wasted is the part of the action's FLOP that the best run would not need for the "
        "same loss. Median [{prob} equal-tailed credible interval], without run noise."
    ),
    "by_route": (
        "How that changes with the route: the same, each route believed alone, and where the size "
        "lies among the draws of its N*."
    ),
    "lines": (
        "The line itself: N* = A₁ C^α₁ and D* = A₂ C^α₂, C in FLOP; of a line that bends, the "
        "power law between the smallest and the largest budget of the runs."
    ),
    "profiles": (
        "Points are runs, curves the fitted profiles with {prob} bands, without run noise; a "
        "label is a budget in FLOP. Colours only tell neighbours apart."
    ),
    "serving": (
        "A model that is served costs 2 FLOP for every parameter and token it serves, so one smaller "
        "than the training optimum, trained longer to the same expected loss, is cheaper over its "
        "life (Sardana et al. 2024). Demand is {served}."
    ),
    "wrong": (
        "Value at risk is the loss that one draw in {one_in} exceeds, the shortfall the mean loss there."
    ),
    "universes": (
        "The decision under other choices of the analyst, one changed at a time: N* with its {prob} "
        "interval, the loss of the run recommended above, and what that run would give away if the "
        "other choice were the right one."
    ),
    "owed": (
        "What the decision owes to priors rather than runs: N* and L* of the {owed} at {at}, with the "
        "priors that matter half and twice as wide, one at a time; median with its {prob} equal-tailed "
        "interval. The draws are weighed anew, or the law fitted again where weights do not answer."
    ),
    "published": (
        "The {lead} beside the published law at the same budgets and FLOP convention; median "
        "[{prob} equal-tailed credible interval]."
    ),
    "released": (
        "Released models of about this compute, beside N* and D* of their own compute by the {by}. "
        "A model smaller than N* may be meant to be served."
    ),
    "next": (
        "What one more small run would be worth before the large one is chosen: the expected value "
        "of sample information (Raiffa & Schlaifer 1961), in loss and in the FLOP that would buy as "
        "much. It counts only what is learned of the size to choose, and only as far as the law "
        "holds; a run that shows the law wrong is worth more."
    ),
}
REMEDY = (
    "More runs first: seven of different sizes and tokens carry a loss surface, three isoFLOP budgets of "
    "three runs each carry profiles, with the least loss between the smallest and the largest run of each."
)
NOTHING_NEXT = (
    "No run of one to ten times the largest so far is both cheaper than three tenths of the budget "
    "and a run whose loss the law can foretell."
)
NO_MONEY = (
    "No hardware was named. With --hardware h100 --price 2.5 this section turns the budget into "
    "accelerator-hours and money; utilisation, goodput and price may be distributions."
)
NO_LOSS = (
    "These runs tell where the optimum lies but not what loss it has: what a choice gives away, "
    "and what can go wrong, needs runs with a loss on either side of the optimum."
)
PROVENANCE = {
    "command": "command",
    "data": "data",
    "data_sha256": "sha256 of the data",
    "runs": "runs",
    "flop_convention": "FLOP convention",
    "derived": "derived columns",
    "params_counted": "parameters counted",
    "loss_unit": "loss unit",
    "seed": "seed",
    "precision": "precision",
    "nstar": "nstar",
    "jax": "JAX",
    "numpyro": "NumPyro",
    "arviz_stats": "ArviZ-stats",
}
