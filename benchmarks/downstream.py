"""What a task's intervals hold: Gadre's twenty tasks, their largest runs held out.

    python benchmarks/downstream.py --runs gadre_overtrain.csv --out benchmarks/results/downstream.md

Accuracies of the larger runs are predicted at the losses they had, so that it is the step
from loss to accuracy alone that is judged.
"""

import argparse
from pathlib import Path

import numpy as np

import nstar
from nstar.cache import use_cache
from nstar.downstream.fits import accuracy_at_loss, fit_task
from nstar.verdicts import Status

LEVELS = {
    "arc_easy": 0.25,
    "arc_challenge": 0.25,
    "hellaswag": 0.25,
    "piqa": 0.5,
    "boolq": 0.5,
    "winograd": 0.5,
    "winogrande": 0.5,
    "copa": 0.5,
    "openbook_qa": 0.25,
    "agi_eval_lsat_ar": 0.25,
}  # chance of guessing; of the others it is learned
TASKS = (
    *LEVELS,
    "lambada_openai",
    "coqa",
    "squad",
    "jeopardy",
    "bigbench_qa_wikidata",
    "bigbench_language_identification",
    "bigbench_operators",
    "bigbench_repeat_copy_logic",
    "bigbench_dyck_languages",
    "bigbench_cs_algorithms",
)
PUBLISHED = {"curve": "Normal(1, 0.001)"}  # a sigmoid of the loss itself
CHOSEN = "Each held-out run's accuracy is predicted at the loss it had. The sd of the prior of `curve`, 1.5, was chosen between 0, 1.5 and 2 on these same runs, so its gain over a sigmoid of the loss alone is a little flattered."
CUTS = (1e20, 2e19)  # FLOP of the largest run fitted


def held_out(
    file: str, name: str, cut: float, priors: dict[str, str] | None = None
) -> dict[str, object]:
    """Score one task's larger runs."""
    columns = {"L": "loss_c4_val", "accuracy": f"acc_{name}"}
    task = fit_task(
        file,
        f"acc_{name}",
        loss="loss_c4_val",
        chance_level=LEVELS.get(name),
        columns={"N": "params", "D": "tokens", "C": "flops"},
        where=[f"flops<={cut}"],
        priors=priors,
    )
    test = nstar.read_runs(file, columns, [f"flops>{cut}"])
    made, y = accuracy_at_loss(task, test["L"])["measured"].to_numpy(), test["accuracy"]
    low, middle, high = np.quantile(made, [0.05, 0.5, 0.95], axis=0)
    outside = np.maximum(low - y, 0) + np.maximum(y - high, 0)
    last = int(np.argmax(test["C"]))
    best = float(task.runs["accuracy"][np.argmin(task.runs["L"])])
    floor = float(np.median(task.draws["floor"]))
    failed = [c.name for c in nstar.check_fit(task) if c.status is Status.FAIL]
    return {
        "task": name,
        "inside": (low <= y) & (y <= high),
        "last": last,
        "error": np.abs(middle - y),
        "score": high - low + 20 * outside,
        "risen": (best - floor) / (1 - floor) >= 0.1,
        "failed": failed,
        "largest": (y[last], middle[last], low[last], high[last]),
    }


def report(file: str) -> str:
    """Write both splits as Markdown."""
    lines = ["# Accuracy from the loss, larger runs held out", "", CHOSEN, ""]
    for cut in CUTS:
        rows = [held_out(file, name, cut) for name in TASKS]
        lines += [
            f"## Fitted up to {cut:.0e} FLOP",
            "",
            "| task | runs inside 90 % | largest run | predicted | left the floor | failed checks |",
            "|---|---|---|---|---|---|",
        ]
        for r in rows:
            y, middle, low, high = r["largest"]
            lines.append(
                f"| {r['task']} | {np.sum(r['inside'])} of {len(r['inside'])} | {y:.3f} | {middle:.3f} [{low:.3f}, {high:.3f}] | {'yes' if r['risen'] else 'no'} | {', '.join(r['failed']) or '–'} |"
            )
        lines.append("")
        plain = [held_out(file, name, cut, PUBLISHED) for name in TASKS]
        for words, kept in (
            ("all tasks", rows),
            ("tasks that had left the floor", [r for r in rows if r["risen"]]),
            ("all tasks, by a sigmoid of the loss alone", plain),
        ):
            inside = np.mean([r["inside"] for r in kept])
            last = np.mean([r["inside"][r["last"]] for r in kept])
            error, score = (np.mean([r[n] for r in kept]) for n in ("error", "score"))
            lines.append(
                f"- {words} ({len(kept)}): 90 % intervals hold {inside:.0%} of the held-out accuracies, {last:.0%} of the largest run's; mean absolute error {error:.3f}, interval score {score:.3f}"
            )
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", required=True, help="gadre_overtrain.csv")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    use_cache()
    given.out.write_text(report(given.runs), encoding="utf-8")
