"""What a newcomer waits for: whole commands in fresh processes, with empty caches and warm.

    python benchmarks/cold.py [--json] [--only NAME ...] [--keep FILE] [--no-yardsticks]
    python benchmarks/cold.py --compare BEFORE.json AFTER.json

For every command the CPU-seconds of the process and its children, seconds on the clock,
peak memory, the XLA programs that were compiled or loaded, by name, and where the CPU-seconds
went.  Machines differ, and a busy one doubles its CPU-seconds: what is compared is the
ratio to NumPyro's own MCMC in a fresh process of the same run ("yardsticks"), measured
before and after all else.  Needs the measured runs (NSTAR_DATA_DIR, or ../shared/data) for
all that fits the Chinchilla points.

CPU-seconds between two events are charged to what is going on: tracing, lowering and
compiling as JAX reports them, in equal parts where several threads are at it; importing;
and sampling, which is what of `nuts.sample` is none of these and waits for all of them.  The
parts and the rest add up to the whole.  What a command's own child processes compile is not
seen.
"""

# what a measured process does not need is imported where it is used
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
KINDS = {  # JAX's events, told at their start as a scalar and at their end as a duration
    "/jax/core/compile/jaxpr_trace_duration": "tracing",
    "/jax/core/compile/jaxpr_to_mlir_module_duration": "lowering",
    "/jax/core/compile/backend_compile_duration": "compiling",
}
FROM_CACHE = "/jax/compilation_cache/cache_hits"  # while "compiling": it is loading
PARTS = ("compiling", "loading", "tracing", "lowering", "sampling", "importing", "rest")
NOT_A_USERS = ("PYTHONDONTWRITEBYTECODE", "JAX_COMPILATION_CACHE_DIR", "MPLCONFIGDIR")
BY_NAME = 15  # programs that a table names


# in the measured process


class Frame:
    """One thing that a thread is at, and what was charged to it."""

    def __init__(self, kind: str, name: str) -> None:
        self.kind, self.name = kind, name
        self.cpu = self.clock = 0.0


class Ledger:
    """CPU-seconds and seconds on the clock of this process, by what was going on."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.threads: dict[int, list[Frame]] = {}
        self.entries: dict[tuple[str, str], list[float]] = {}  # times, CPU, clock
        self.last = time.process_time(), time.perf_counter()

    def settle(self) -> None:
        """Charge the time since the last event to what was going on."""
        now = time.process_time(), time.perf_counter()
        cpu, clock = (a - b for a, b in zip(now, self.last, strict=True))
        self.last = now
        at = [stack[-1] for stack in self.threads.values() if stack]
        at = [f for f in at if f.kind != "sampling"] or at  # it waits for its programs
        for frame in at:
            frame.cpu += cpu / len(at)
            frame.clock += clock / len(at)

    def begin(self, kind: str, name: str) -> None:
        """Open something in this thread; a jit inside a jit is part of the outer one."""
        with self.lock:
            self.settle()
            stack = self.threads.setdefault(threading.get_ident(), [])
            if (
                kind == "tracing"
                and stack
                and stack[-1].kind in ("tracing", "lowering")
            ):
                name = stack[-1].name
            stack.append(Frame(kind, name))

    def end(self, kind: str) -> None:
        """Close what this thread opened last."""
        with self.lock:
            self.settle()
            stack = self.threads.get(threading.get_ident(), [])
            at = stack[-1].kind if stack else ""
            if kind != at and (kind, at) != ("compiling", "loading"):
                return  # opened before anyone listened
            frame = stack.pop()
            entry = self.entries.setdefault((frame.kind, frame.name), [0, 0.0, 0.0])
            for i, amount in enumerate((1, frame.cpu, frame.clock)):
                entry[i] += amount

    def loads(self) -> None:
        """Call what this thread compiles a program that came from the cache."""
        with self.lock:
            if stack := self.threads.get(threading.get_ident()):
                stack[-1].kind = "loading"

    def listen(self, monitoring: Any) -> None:
        """Hear of JAX's programs from now on."""

        def begins(event: str, value: float, **more: Any) -> None:
            if kind := KINDS.get(event):
                self.begin(kind, plain(str(more.get("fun_name", "?"))))

        def ends(event: str, seconds: float, **more: Any) -> None:
            if kind := KINDS.get(event):
                self.end(kind)

        def happens(event: str, **more: Any) -> None:
            if event == FROM_CACHE:
                self.loads()

        monitoring.register_scalar_listener(begins)
        monitoring.register_event_duration_secs_listener(ends)
        monitoring.register_event_listener(happens)

    def watch(self, nuts: Any) -> None:
        """Charge the sampler's time to sampling, where it has its usual name."""
        import functools

        sample = getattr(nuts, "sample", None)
        if sample is None:
            return

        @functools.wraps(sample)
        def watched(*given: Any, **options: Any) -> Any:
            self.begin("sampling", "sample")
            try:
                return sample(*given, **options)
            finally:
                self.end("sampling")

        nuts.sample = watched

    def watch_imports(self) -> None:
        """Charge what imports take to importing."""
        import builtins

        usual, at = builtins.__import__, threading.local()

        def imported(name: str, *given: Any, **options: Any) -> Any:
            if name in sys.modules or getattr(at, "import_of", None):
                return usual(name, *given, **options)
            at.import_of = name
            self.begin("importing", "modules")
            try:
                return usual(name, *given, **options)
            finally:
                at.import_of = None
                self.end("importing")

        builtins.__import__ = imported

    def document(self) -> dict[str, Any]:
        """Parts, and programs by name, the largest first."""
        with self.lock:
            self.settle()
        parts = {part: {"cpu": 0.0, "clock": 0.0} for part in PARTS[:-1]}
        names: dict[str, dict[str, Any]] = {}
        for (kind, name), (times, cpu, clock) in self.entries.items():
            parts[kind]["cpu"] += cpu
            parts[kind]["clock"] += clock
            if kind in ("sampling", "importing"):
                continue
            row = names.setdefault(name, {"name": name, "compiled": 0, "loaded": 0})
            row[kind] = row.get(kind, 0.0) + cpu
            if count := {"compiling": "compiled", "loading": "loaded"}.get(kind):
                row[count] += int(times)
        rows = sorted(names.values(), key=lambda row: -charged(row))
        return {
            "programs": sum(row["compiled"] for row in rows),
            "loaded": sum(row["loaded"] for row in rows),
            "parts": parts,
            "by_name": rows,
            "modules": [
                m for m in ("jax", "numpyro", "matplotlib") if m in sys.modules
            ],
        }


def plain(name: str) -> str:
    """Name a program as its function is named, whichever step of JAX names it."""
    if name.startswith("jit(") and name.endswith(")"):
        name = name[4:-1]
    return name.removeprefix("jit_").rsplit(".", 1)[-1]


def charged(row: dict[str, Any]) -> float:
    """CPU-seconds of a program, whatever for."""
    return sum(row.get(part, 0.0) for part in PARTS)


def after_import(name: str, then: Callable[[Any], None]) -> None:
    """Call `then` with a module once it is imported, if ever; nothing is imported for it."""
    from importlib.machinery import PathFinder

    class Finder:
        @staticmethod
        def find_spec(module: str, path: Any, target: Any = None) -> Any:
            if module != name:
                return None
            sys.meta_path.remove(Finder)
            spec = PathFinder.find_spec(module, path, target)
            if spec is None or spec.loader is None:
                return None
            execute = spec.loader.exec_module

            def executed(imported: Any) -> None:
                execute(imported)
                then(imported)

            spec.loader.exec_module = executed
            return spec

    sys.meta_path.insert(0, Finder)


def child(file: str, words: list[str]) -> None:
    """Run `-- COMMAND ...` of nstar, or a yardstick, and write what it was busy with."""
    ledger, more = Ledger(), {}
    ledger.watch_imports()
    after_import("jax.monitoring", ledger.listen)
    after_import("nstar.samplers.nuts", ledger.watch)
    try:
        if words[0] != "--":
            more = YARDSTICKS[words[0]]()
            return
        from nstar.cli import main as nstar

        sys.argv = ["nstar", *words[1:]]
        nstar()
    finally:
        document = ledger.document() | more
        Path(file).write_text(json.dumps(document), encoding="utf-8")


def imports() -> dict[str, Any]:
    """Import what any Bayesian fit in JAX has to."""
    import jax  # noqa: F401
    import numpyro  # noqa: F401

    return {}


def mcmc(warmup: int = 500, draws: int = 1000) -> dict[str, Any]:
    """Fit the additive law to simulated runs as a user of NumPyro writes it.

    One who minds speed: `A / N**alpha`, a power in place of an exponential, takes twice as
    long.
    """
    import jax
    import jax.numpy as jnp
    import numpy as np
    import numpyro
    import numpyro.distributions as dist
    from numpyro.diagnostics import summary

    numpyro.enable_x64()
    rng = np.random.default_rng(0)
    C = 10 ** rng.uniform(18, 22, 240)
    N = np.sqrt(C / 120) * 10 ** rng.normal(0, 0.35, 240)
    D = C / 6 / N
    log_L = np.log(1.82 + 482 / N**0.348 + 2085 / D**0.366) + 0.004 * rng.standard_t(
        4, 240
    )

    def model(log_N: Any, log_D: Any, log_L: Any) -> None:
        E = numpyro.sample("E", dist.LogNormal(0.5, 0.5))
        A = numpyro.sample("A", dist.LogNormal(6, 1.5))
        B = numpyro.sample("B", dist.LogNormal(7, 1.5))
        alpha = numpyro.sample("alpha", dist.Normal(0.35, 0.1))
        beta = numpyro.sample("beta", dist.Normal(0.35, 0.1))
        sigma = numpyro.sample("sigma", dist.HalfNormal(0.05))
        nu = numpyro.sample("nu", dist.Gamma(2, 0.1))
        loss = E + A * jnp.exp(-alpha * log_N) + B * jnp.exp(-beta * log_D)
        numpyro.sample("obs", dist.StudentT(nu, jnp.log(loss), sigma), obs=log_L)

    sampler = numpyro.infer.MCMC(
        numpyro.infer.NUTS(model, dense_mass=True),
        num_warmup=warmup,
        num_samples=draws,
        num_chains=4,
        chain_method="sequential",
        progress_bar=False,
    )
    sampler.run(jax.random.key(0), np.log(N), np.log(D), log_L)
    rows = summary(sampler.get_samples(group_by_chain=True))
    return {
        "r_hat": max(float(row["r_hat"]) for row in rows.values()),
        "ess": min(float(row["n_eff"]) for row in rows.values()),
        "divergences": int(sampler.get_extra_fields()["diverging"].sum()),
    }


YARDSTICKS: dict[str, Callable[[], dict[str, Any]]] = {"imports": imports, "mcmc": mcmc}


# in the measuring process


class Case(NamedTuple):
    """A command, and the caches that it meets."""

    words: str
    cache: str  # a name; cases of one cache share it, in their order
    after: tuple[str, ...] = ()  # cases that must have run
    programs_only: bool = False  # all but compiled programs is deleted before
    measured_runs: bool = False  # which nstar does not ship
    repeats: int = 1  # of which the median counts


FIT = "fit chinchilla_epoch"
CASES = {
    "report-cold": Case("report llama3 --budget 3.8e25", "report"),
    "report-again": Case("report llama3 --budget 3.8e25", "report", ("report-cold",)),
    "report-other-budget": Case(
        "report llama3 --budget 1e25", "report", ("report-cold",)
    ),
    "fit-cold": Case(f"{FIT} --out saved.nc", "fit", measured_runs=True),
    "fit-warm": Case(FIT, "fit", ("fit-cold",), True, True),
    "other-table-cold": Case("fit llama3", "other"),
    "other-table-warm": Case("fit llama3", "fit", ("fit-cold",), True),
    "coupled-cold": Case(f"{FIT} --law coupled", "coupled", measured_runs=True),
    "coupled-warm": Case(
        f"{FIT} --law coupled", "coupled", ("coupled-cold",), True, True
    ),
    "plan-cold": Case("plan saved.nc --budget 5.76e23", "plan", ("fit-cold",)),
    "plan-again": Case("plan saved.nc --budget 5.76e23", "plan", ("plan-cold",)),
    "backtest-cold": Case("backtest llama3", "backtest"),
    "backtest-warm": Case("backtest llama3", "backtest", ("backtest-cold",), True),
    "help": Case("--help", "none", repeats=5),
    "models": Case("models", "none", repeats=5),
}


def chosen(only: list[str]) -> list[str]:
    """Cases by name, in order, with those that must run before them."""
    names = set(only)
    for name in reversed(CASES):
        if name in names:
            names |= set(CASES[name].after)
    return [name for name in CASES if name in names]


def data_folder() -> Path | None:
    """Where the measured runs lie, if they do."""
    folder = Path(os.environ.get("NSTAR_DATA_DIR") or ROOT.parent / "shared" / "data")
    return folder.resolve() if (folder / "chinchilla_epoch.csv").exists() else None


def environment(folder: Path, cache: str) -> dict[str, str]:
    """Give a process a user's environment, with caches of this name only."""
    own = {n: v for n, v in os.environ.items() if n not in NOT_A_USERS}
    path = [str(ROOT / "src"), *filter(None, [own.get("PYTHONPATH")])]
    own |= {
        "NSTAR_CACHE": str(folder / cache / "nstar"),
        "XDG_CACHE_HOME": str(folder / cache / "others"),
        "PYTHONPATH": os.pathsep.join(path),
    }
    return own | ({"NSTAR_DATA_DIR": str(data)} if (data := data_folder()) else {})


def run(words: list[str], folder: Path, cache: str) -> dict[str, Any]:
    """Measure one process: `-- COMMAND ...` of nstar, or a yardstick by name."""
    import subprocess
    import tempfile

    record, load = folder / "record.json", os.getloadavg()[0]
    record.unlink(missing_ok=True)
    command = [sys.executable, __file__, "--child", str(record), *words]
    with tempfile.TemporaryFile("w+", dir=folder, encoding="utf-8") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(folder, cache),
            stderr=errors,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = code = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        last = errors.read().strip().splitlines()[-1:]
    row: dict[str, Any] = {
        "cpu": usage.ru_utime + usage.ru_stime,
        "wall": wall,
        "peak_MiB": usage.ru_maxrss / 1024,
        "exit_code": code,
        "load_before": load,
    }
    if not record.exists():
        return row | {"failed": " ".join(last) or f"ended with {code}"}
    row |= json.loads(record.read_text(encoding="utf-8"))
    parts = row["parts"]
    parts["rest"] = {
        own: row[whole] - sum(part[own] for part in parts.values())
        for own, whole in (("cpu", "cpu"), ("clock", "wall"))
    }
    return row | ({"failed": " ".join(last)} if code not in (0, 1) else {})


def measured(name: str, folder: Path) -> dict[str, Any]:
    """Measure a case."""
    import shutil

    case = CASES[name]
    if case.measured_runs and data_folder() is None:
        return {"failed": "no measured runs: set NSTAR_DATA_DIR"}
    if case.programs_only:
        for own in (folder / case.cache / "nstar").glob("*"):
            if own.name != "jax":
                shutil.rmtree(own) if own.is_dir() else own.unlink()
    rows = [
        run(["--", *case.words.split()], folder, case.cache)
        for _ in range(case.repeats)
    ]
    rows.sort(key=lambda row: row["cpu"])
    return {"command": f"nstar {case.words}"} | rows[len(rows) // 2]


def ready(folder: Path) -> None:
    """Write the bytecode of all that is imported, which an installation does once."""
    import compileall
    import subprocess

    compileall.compile_dir(ROOT / "src", quiet=1)
    rooms = "nstar.report.page", "nstar.validation.backtest", "matplotlib.pyplot"
    for room in ("numpyro", *rooms):  # which may move: then its first process is slower
        subprocess.run(
            [sys.executable, "-c", f"import {room}"],
            env=environment(folder, "ready"),
            capture_output=True,
            check=False,
        )


def machine() -> dict[str, Any]:
    """Name the processor, the versions and the commit."""
    import platform
    import subprocess
    from importlib.metadata import version

    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = (v.split(":")[1].strip() for v in lines if v.startswith("model name"))
    git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False)
    return {
        "processor": next(names, platform.machine()),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **{package: version(package) for package in ("jax", "numpyro")},
        "commit": commit.stdout.strip() or "unknown",
    }


def document(
    cases: dict[str, Any], before: dict[str, Any], after: dict[str, Any]
) -> dict[str, Any]:
    """Put together what was measured, with ratios to the yardsticks."""
    sticks: dict[str, Any] = {}
    for name, first in before.items():
        runs = [row for row in (first, after.get(name)) if row and "failed" not in row]
        if runs:
            means = {
                n: sum(row[n] for row in runs) / len(runs)
                for n in ("cpu", "wall", "peak_MiB")
            }
            sticks[name] = means | {"runs": runs}
        else:
            sticks[name] = first
    unit = sticks.get("mcmc", {}).get("cpu")
    rows = {
        name: row | ({"yardsticks": row["cpu"] / unit} if unit and "cpu" in row else {})
        for name, row in cases.items()
    }
    return {"machine": machine(), "yardsticks": sticks, "cases": rows}


def of_machine(made: dict[str, Any]) -> str:
    """Describe the machine in a line."""
    own = made["machine"]
    return f"{own['processor']}, {own['cores']} cores, Python {own['python']}, jax {own['jax']}, numpyro {own['numpyro']}"


def of_sticks(made: dict[str, Any]) -> str:
    """Describe the yardsticks in a line."""
    texts = []
    for name, words in (
        ("mcmc", "NumPyro's MCMC"),
        ("imports", "importing JAX and NumPyro"),
    ):
        stick = made["yardsticks"].get(name, {})
        if "runs" in stick:
            each = " and ".join(f"{row['cpu']:.1f}" for row in stick["runs"])
            texts.append(
                f"{words} {stick['cpu']:.1f} CPU-s ({each}), {stick['wall']:.1f} s, {stick['peak_MiB']:.0f} MiB"
            )
    return "; ".join(texts) or "no yardsticks were measured"


def rows_of(heads: list[str], rows: list[list[str]]) -> list[str]:
    """Lay out a table in markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def page(made: dict[str, Any]) -> str:
    """Tables of one run: every case, and the programs of those that compiled any."""
    heads = [
        "case",
        "CPU-s",
        "yardsticks",
        "wall, s",
        "peak, MiB",
        "compiled",
        "loaded",
        *PARTS,
    ]
    rows, details = [], []
    for name, row in made["cases"].items():
        if "failed" in row:
            rows.append([name, f"failed: {row['failed']}", *[""] * (len(heads) - 2)])
            continue
        rows.append(
            [
                name,
                f"{row['cpu']:.2f}",
                amount(row, "yardsticks"),
                f"{row['wall']:.2f}",
                f"{row['peak_MiB']:.0f}",
                str(row["programs"]),
                str(row["loaded"]),
                *(f"{row['parts'][part]['cpu']:.1f}" for part in PARTS),
            ]
        )
        if row["programs"]:
            details += ["", f"## {name}: `{row['command']}`", "", *by_name(row)]
    commit = made["machine"]["commit"]
    lines = [
        f"{of_machine(made)}, commit {commit}.  Yardsticks: {of_sticks(made)}.",
        "",
        *rows_of(heads, rows),
        *details,
    ]
    return "\n".join(lines) + "\n"


def by_name(row: dict[str, Any]) -> list[str]:
    """Lay out the programs of a case, the largest first."""
    first, others = row["by_name"][:BY_NAME], row["by_name"][BY_NAME:]
    heads = ["program", "compiled", "loaded", *PARTS[:4]]
    lines = [
        [
            f"`{own['name']}`",
            str(own["compiled"]),
            str(own["loaded"]),
            *(f"{own.get(part, 0):.2f}" for part in PARTS[:4]),
        ]
        for own in first
    ]
    if others:
        counts = (str(sum(own[n] for own in others)) for n in ("compiled", "loaded"))
        sums = (f"{sum(own.get(part, 0) for own in others):.2f}" for part in PARTS[:4])
        lines.append([f"{len(others)} others", *counts, *sums])
    return rows_of(heads, lines)


def amount(row: dict[str, Any], name: str, digits: int = 2) -> str:
    """Write a number of a case, or a dash where it has none."""
    return f"{row[name]:.{digits}f}" if name in row else "–"


def table(before: dict[str, Any], after: dict[str, Any]) -> str:
    """Two runs side by side: every case, and the parts and programs of those that compile."""
    heads = [
        "command",
        "caches",
        "CPU-s",
        "yardsticks",
        "after to before",
        "programs",
        "wall, s",
        "peak, MiB",
    ]
    rows, details = [], []
    for name in CASES:
        old, new = (made["cases"].get(name, {}) for made in (before, after))
        if not old and not new:
            continue
        command = f"`{(new or old).get('command', 'nstar ' + CASES[name].words)}`"
        if failed := [made["failed"] for made in (old, new) if "failed" in made]:
            rows.append([command, name, f"failed: {failed[0]}", *[""] * 5])
            continue
        unit = "yardsticks" if "yardsticks" in old and "yardsticks" in new else "cpu"
        ratio = f"{new[unit] / old[unit]:.2f}" if unit in old and unit in new else "–"
        both = (
            f"{amount(old, n, digits)} → {amount(new, n, digits)}"
            for n, digits in (
                ("cpu", 1),
                ("yardsticks", 2),
                ("programs", 0),
                ("wall", 1),
                ("peak_MiB", 0),
            )
        )
        cpu, sticks, *others = both
        rows.append([command, name, cpu, sticks, ratio, *others])
        if old.get("programs") and new:
            details += [
                "",
                f"## {command}, {name}",
                "",
                *of_parts(old, new),
                "",
                *programs(old, new),
            ]
    lines = [
        "# From nothing to an answer: before and after",
        "",
        f"{of_machine(after)}; whole processes, {before['machine']['commit']} before and {after['machine']['commit']} after; `python benchmarks/cold.py`.",
        "A yardstick is NumPyro's own MCMC in a fresh process: the additive law in plain coordinates, 240 simulated runs, Student-t noise, NUTS with a dense mass matrix, four chains of 500 + 1,000 one after another.",
        f"Before: {of_sticks(before)}.",
        f"After: {of_sticks(after)}.",
        "",
        *rows_of(heads, rows),
        *details,
    ]
    return "\n".join(lines) + "\n"


def of_parts(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Lay out where the CPU-seconds of a case went, before and after."""
    values = [
        " → ".join(
            f"{row['parts'].get(part, {}).get('cpu', 0):.1f}" for row in (old, new)
        )
        for part in PARTS
    ]
    return rows_of([f"{part}, CPU-s" for part in PARTS], [values])


def programs(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Lay out the programs of a case, before and after, the largest first."""
    mine, theirs = (
        {row["name"]: row for row in made["by_name"]} for made in (old, new)
    )
    none = {"compiled": 0, "loaded": 0}
    both = {n: (mine.get(n, none), theirs.get(n, none)) for n in mine | theirs}
    names = sorted(both, key=lambda n: -max(map(charged, both[n])))
    groups = {f"`{n}`": [both[n]] for n in names[:BY_NAME]}
    if others := names[BY_NAME:]:
        groups[f"{len(others)} others"] = [both[n] for n in others]
    lines = []
    for name, pairs in groups.items():
        line = [name]
        for part, digits in (
            ("compiled", 0),
            ("compiling", 1),
            ("tracing", 1),
            ("lowering", 1),
        ):
            sums = [sum(pair[i].get(part, 0) for pair in pairs) for i in (0, 1)]
            line.append(" → ".join(f"{value:.{digits}f}" for value in sums))
        lines.append(line)
    heads = ["program", "times compiled", "compiling, CPU-s", "tracing", "lowering"]
    return rows_of(heads, lines)


def measure(names: list[str], *, sticks: bool, write: Callable[[Any], None]) -> Any:
    """Run the yardsticks, the cases and the yardsticks again."""
    import tempfile

    def yardsticks(folder: Path) -> dict[str, Any]:
        each = YARDSTICKS if sticks else {}
        made = {name: run([name], folder, f"stick-{name}") for name in each}
        for name, row in made.items():
            print(
                f"yardstick {name}: {row['cpu']:.1f} CPU-s, {row['wall']:.1f} s",
                file=sys.stderr,
            )
        return made

    cases: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="nstar-cold-") as temporary:
        folder = Path(temporary)
        ready(folder)
        before = yardsticks(folder)
        for name in names:
            cases[name] = row = measured(name, folder)
            print(
                f"{name}: {row.get('failed') or '{cpu:.1f} CPU-s, {wall:.1f} s, {programs} programs'.format(**row)}",
                file=sys.stderr,
            )
            write(document(cases, before, {}))
        return document(cases, before, yardsticks(folder))


def main() -> None:
    """Measure and print, or compare two documents."""
    import argparse

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print the document")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=CASES,
        metavar="NAME",
        default=list(CASES),
        help=f"these cases, and those that must run before them: {', '.join(CASES)}",
    )
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="FILE",
        help="write the document, after every case too",
    )
    parser.add_argument(
        "--no-yardsticks",
        action="store_true",
        help="leave out the yardsticks, and so the ratios",
    )
    parser.add_argument(
        "--compare",
        nargs=2,
        type=Path,
        metavar=("BEFORE", "AFTER"),
        help="print two documents side by side, and measure nothing",
    )
    options = parser.parse_args()
    if options.compare:
        before, after = (
            json.loads(file.read_text(encoding="utf-8")) for file in options.compare
        )
        print(table(before, after), end="")
        return

    def write(made: dict[str, Any]) -> None:
        if options.keep:
            options.keep.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")

    made = measure(chosen(options.only), sticks=not options.no_yardsticks, write=write)
    write(made)
    print(json.dumps(made) if options.json else page(made))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3:])
    else:
        main()
