"""How long a report takes: from a table with empty caches, again, and from a saved fit.

python benchmarks/report.py --out benchmarks/results/report.md
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ASKED = ("--budget", "3.8e25")
CANDIDATES = (
    "--candidates",
    "8B,70B,llama3-405b",
    "--serve-tokens",
    "15T",
    "--hardware",
    "h100",
)
CHINCHILLA = ("chinchilla_epoch", "--budget", "5.76e23")
GADRE = (
    "gadre_overtrain",
    "--columns",
    "N=params,D=tokens,C=flops,L=loss_openlm",
    "--budget",
    "1e22",
)


def timed(folder: Path, *words: str) -> tuple[float, int]:
    """Seconds on the clock and the exit code of one command in a process of its own."""
    own = os.environ | {
        "NSTAR_CACHE": str(folder / "cache"),
        "XDG_CACHE_HOME": str(folder),
    }
    start = time.perf_counter()
    done = subprocess.run(
        [str(Path(sys.executable).parent / "nstar"), *words],
        cwd=folder,
        env=own,
        capture_output=True,
        check=False,
    )
    return time.perf_counter() - start, done.returncode


def main() -> None:
    """Time every case once and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    out = parser.parse_args().out
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def case(what: str, *words: str) -> None:
            seconds, code = timed(folder, *words)
            rows.append(f"| {what} | {seconds:.1f} | {code} |")
            print(rows[-1], flush=True)

        case("Llama 3's runs, empty caches", "report", "llama3", *ASKED)
        case("the same again", "report", "llama3", *ASKED)
        case("other question, same runs", "report", "llama3", *ASKED, *CANDIDATES)
        timed(folder, "fit", "llama3", "--law", "coupled", "--out", "saved.nc")
        case("a saved fit, re-fits to be made", "report", "saved.nc", *ASKED)
        case("a saved fit, re-fits kept", "report", "saved.nc", *ASKED)
        case("a saved fit, `--quick`", "report", "saved.nc", *ASKED, "--quick")
        case("Chinchilla's points", "report", *CHINCHILLA)
        case("Gadre's C4 runs", "report", *GADRE)
        timed(folder, "--help")
        case("`nstar --help`", "--help")
        imports = "import nstar.report.page"
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", imports], check=True)
        rows.append(f"| imports alone | {time.perf_counter() - start:.1f} | 0 |")
    table = "\n".join(
        [
            "# How long a report takes",
            "",
            f"Wall seconds of whole processes, {os.cpu_count()} cores, {platform.machine()}; `python benchmarks/report.py`.",
            "Exit code 1 says that a check of the numbers failed.",
            "",
            "| case | seconds | exit code |",
            "| --- | --- | --- |",
            *rows,
            "",
        ]
    )
    if out:
        out.write_text(table, encoding="utf-8")


if __name__ == "__main__":
    main()
