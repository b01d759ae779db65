"""Today's answers, pinned by seed, and what has moved since: for a change that is to move none.

    uv run python benchmarks/golden.py FOLDER             # writes every answer there
    uv run python benchmarks/golden.py NOW --against FOLDER

Every command is asked in words and as JSON, in one process; so is a page and a batch of few
resamples.  Numbers count as the same within --rtol, words when they are the same letter for
letter.  Draws of a seed differ between machines, so no answer is committed: pin them on the
machine, and the commit, that you change from.
"""

import argparse
import contextlib
import io
import json
import math
import re
import sys
from pathlib import Path

from nstar import cli

DATA = "{data}"
COUNTS = f"{DATA}/passk_monkeys_10k.csv"
COMMANDS = {
    "fit_allocation": "fit llama3 --law allocation --out {out}/allocation.nc",
    "fit_isoflop": "fit llama3 --law isoflop --discrepancy none --out {out}/isoflop.nc",
    "fit_surface": "fit llama3 --law chinchilla --discrepancy none --out {out}/surface.nc",
    "fit_average": "fit {data}/chinchilla_epoch.csv --law chinchilla,coupled --discrepancy none --out {out}/average.nc",
    "fit_pooled": "fit {data}/parscale.csv --columns N=params,P=parallel_streams,L=loss --law parallel --pool corpus --out {out}/pooled.nc",
    "summary": "summary {out}/surface.nc",
    "predict": "predict {out}/surface.nc --at 7e9,1.4e11 --at 7e10,1.5e13",
    "predict_average": "predict {out}/average.nc --at 7e9,1.4e11",
    "plan_allocation": "plan {out}/allocation.nc --budget 1e24 --budget 3.8e25",
    "plan_isoflop": "plan {out}/isoflop.nc --budget 3.8e25",
    "plan_surface": "plan {out}/surface.nc --budget 3.8e25 --unique-tokens 2T --max-epochs 4",
    "plan_average": "plan {out}/average.nc --budget 1e24",
    "predict_pooled": "predict {out}/pooled.nc --at N=1e9,P=4 --group next",
    "compare_allocation": "compare {out}/allocation.nc --budget 3.8e25",
    "compare_surface": "compare {out}/surface.nc --published chinchilla --budget 1e24",
    "risk": "risk {out}/surface.nc --budget 3.8e25 --candidates 8B,405B@15.6T --hardware h100 --price 2.5 --target-loss 0.62",
    "cost": "cost llama3-405b --hardware h100 --price 2.5",
    "target": "target {out}/surface.nc --loss 0.65 --chance 0.8",
    "serve": "serve {out}/surface.nc --budget 3.8e25 --tokens Uniform(1e13,2e13)",
    "next": "next {out}/surface.nc --target 3.8e25 --pilot-budget 1e23",
    "sensitivity": "sensitivity {out}/surface.nc",
    "prior": "prior llama3 --law coupled --discrepancy none --budget 1e24",
    "backtest": "backtest {data}/chinchilla_epoch.csv --law chinchilla --discrepancy none --hold-out 1",
    "forecast": "forecast {out}/surface.nc --at 7e9,1.4e11 --name hero --ledger {out}/ledger.jsonl",
    "outcome": "outcome {out}/ledger.jsonl --name hero --loss 0.8",
    "ledger": "ledger {out}/ledger.jsonl",
    "passk": f"passk {COUNTS} --where model=Pythia_160M --k 1000,10000",
    "simulate": "simulate {data}/chinchilla_epoch.csv --law chinchilla --draws 2 --seed 3",
    "report": "report llama3 --budget 3.8e25 --quick --out {out}/page.html",
    "published": "published llama3 --budget 3.8e25",
    "models": "models llama3-405b --against llama3",
    "data": "data",
}
VOLATILE = re.compile(
    r"frozen|hash|head|seconds|entered|made|when|version|sha256|elapsed"
)


def ask(words: list[str]) -> dict:
    """Run a command in this process: its exit code and what it wrote."""
    out, err = io.StringIO(), io.StringIO()
    sys.argv = ["nstar", *words]
    code = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            cli.main()
        except SystemExit as left:
            code = left.code or 0
    return {"code": code, "out": out.getvalue(), "err": err.getvalue()[-2000:]}


def differences(old: object, new: object, rtol: float, where: str = "") -> list[str]:
    """Name what differs between two documents."""
    if isinstance(old, dict) and isinstance(new, dict):
        lines = []
        for key in [*old, *(k for k in new if k not in old)]:
            if VOLATILE.search(key):
                continue
            if key not in new or key not in old:
                lines.append(f"{where}.{key}: {'gone' if key in old else 'new'}")
            else:
                lines += differences(old[key], new[key], rtol, f"{where}.{key}")
        return lines
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [
            line
            for i, (a, b) in enumerate(zip(old, new, strict=True))
            for line in differences(a, b, rtol, f"{where}[{i}]")
        ]
    if isinstance(old, float) and isinstance(new, float):
        return (
            []
            if math.isclose(old, new, rel_tol=rtol, abs_tol=1e-300)
            else [f"{where}: {old!r} -> {new!r}"]
        )
    return [] if old == new else [f"{where}: {old!r} -> {new!r}"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--only", action="append", choices=list(COMMANDS))
    parser.add_argument("--rtol", type=float, default=1e-6)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    options = parser.parse_args()
    folder = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    names = {"out": "OUT", "data": str(options.data.resolve())}
    moved = 0
    for name in options.only or COMMANDS:
        ledger = folder / "ledger.jsonl"
        words = [
            w.format(**names | {"out": str(folder)}).replace("_160M", " 160M")
            for w in COMMANDS[name].split()
        ]
        answers = {}
        for form in ("json", "text"):
            if name == "forecast":
                ledger.unlink(missing_ok=True)
            if name == "outcome" and form == "text":
                continue
            answers[form] = ask([*words, *(["--json"] if form == "json" else [])])
        answers = json.loads(json.dumps(answers).replace(str(folder), "OUT"))
        with contextlib.suppress(ValueError):
            answers["json"]["out"] = json.loads(answers["json"]["out"])
        page = folder / "page.json"
        if name == "report" and page.exists():
            answers["page"] = json.loads(page.read_text().replace(str(folder), "OUT"))
        (folder / f"{name}.json").write_text(json.dumps(answers, indent=1))
        print(f"{name}: exit {answers['json']['code']}", end="")
        if answers["json"]["code"] == 2:
            print("  ", answers["json"]["err"][-200:], end="")
        if options.against:
            old = json.loads((options.against / f"{name}.json").read_text())
            for part in old.values():
                part.pop("err", None)
            for part in answers.values():
                part.pop("err", None)
            lines = differences(old, answers, options.rtol)
            moved += bool(lines)
            for line in lines[:12]:
                print("\n   ", line[:400], end="")
        print(flush=True)
    sys.exit(1 if moved else 0)
