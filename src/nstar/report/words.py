"""Sentences of the report, apart from its markup."""

SECTIONS = {
    "trust": "Can it be trusted?",
    "recipes": "Which recipe",
    "buys": "What the budget buys",
    "spend": "How to spend it",
    "wrong": "What can go wrong",
    "money": "Money and time",
    "published": "Beside what is publicly known",
    "next": "What to run first",
    "tasks": "What it will score at tasks",
    "words": "What the words mean",
    "provenance": "Where this comes from",
}
INTRODUCTIONS = {
    "tasks": (
        "Accuracies of the recommended run, from a posterior of all tasks together: from size and tokens to each task's "
        "likelihood of the right answers, or the loss, and from there to the accuracy; both may depart from their form "
        "beyond the runs. As measured, with the noise of a run and of the questions."
    ),
    "held_out": (
        "The routes fitted to the smaller of these very runs, and what they said of the larger ones: of measured losses "
        "(errors are of the log loss: 0.01 is one percent), and of the tokens to train with at each budget held out "
        "(below zero: too few asked for; the last column: how often the route's own draws miss as many or more). "
        "Runs of one budget err together. The mixture's weights rest on both, half and half."
    ),
    "forecasts": (
        "What this project forecast before its runs were made, each frozen in a ledger with its date and a "
        "hash, and what came: the median and {prob} interval of a measured run. An error above zero was "
        "predicted too high. This is the record to judge the next forecast by; forecasts of one fit err together."
    ),
    "recipes": (
        "All recipes of the table in one posterior, each spending a budget as said below; the rest of this page is of the runs of {recipe}. "
        "A multiplier above one is better than {baseline}, which needs so many times the compute for the loss that the recipe reaches. "
        "In the figure, bands hold it with {prob} probability, ticks are medians under other floors, and dots mark the largest compute that all recipes have."
    ),
    "answer": (
        "By each route believed alone; median [{prob} equal-tailed credible interval], without run noise. Its own run is "
        "that of least expected loss by that route."
    ),
    "allocation": (
        "Bands hold the law's line with {prob} probability; dots are measured optima; dashes are the published law, the star its "
        "own printed prediction; the shaded part lies beyond the largest run."
    ),
    "target": (
        "Loss along the line of equal cost with its {prob} band; the dot is the recommended run, the ticks below are draws of N*."
    ),
    "by_route": "The candidates by each route believed alone, and where their size lies among the draws of its N*.",
    "lines": (
        "The line itself: N* = A₁ C^α₁ and D* = A₂ C^α₂, C in FLOP; of a line that bends, the "
        "power law between the smallest and the largest budget of the runs."
    ),
    "profiles": (
        "Points are runs, curves the fitted profiles with {prob} bands; a label is a budget in FLOP, colours only tell neighbours apart."
    ),
    "serving": (
        "A model that is served costs 2 FLOP for every parameter and token it serves, so a smaller one trained longer to the same "
        "expected loss is cheaper over its life (Sardana et al. 2024). Demand is {served}."
    ),
    "universes": (
        "The decision under other choices of the analyst, one changed at a time: N* with its {prob} interval, and what the recommended "
        "run would give away if the other choice were the right one."
    ),
    "owed": (
        "What the decision owes to priors rather than runs: N* and L* of the {owed} at {at}, with the "
        "priors that matter half and twice as wide, one at a time (draws weighed anew, or fitted again)."
    ),
    "released": (
        "Released models of about this compute, beside N* and D* of their own compute by the {by}. "
        "A model smaller than N* may be meant to be served."
    ),
    "next": (
        "Runs worth making before the large one is chosen: the expected value of sample information (Raiffa & Schlaifer 1961), in loss and in "
        "the FLOP that would buy as much. It counts only what is learned of the size to choose, and only as far as the law "
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
