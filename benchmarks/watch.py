"""Watched runs: how often a run on its forecast alarms, and when one that left it does.

    uv run python benchmarks/watch.py [--data DIR] [--json] [--part simulated|olmo|schedules]

Simulated: ladders of 20 curves whose shape follows from a law of the loss along a cosine
that nstar does not fit, with noise as OLMo 2's ladder has it (in sd, autocorrelation and
how it falls along the run), and runs of two to four times the largest size.  Their ends are
normal about the forecast with its stated sd.  A third are on their law; a third take a step of three of
these sds, up or down, at 30 % of their way; a third fall no further from there.  Each is
checked at every place.  Beside: the usual z-test of each place against the forecast's band.

Real: every run of a ladder of `olmo_tasks.csv` (any table of its columns), watched with the
runs of other designs, in folds; its end is forecast from those by least squares of
Chinchilla's form; likewise each alone, with a cosine to a tenth taken for its schedule.
Curves of `lr_schedules.csv` under a schedule, watched with a law fitted
to the three training curves; their ends are forecast by that law.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy.optimize import curve_fit
from scipy.special import ndtr

from nstar.curves.fitting import fit_curves
from nstar.curves.reading import read_curves
from nstar.curves.schedules import named
from nstar.curves.watch_alarm import End, Ends, Followed, follow
from nstar.curves.watch_reading import track
from nstar.curves.watch_schedules import expect_by_law, expect_by_prior
from nstar.curves.watch_shapes import (
    BEGIN,
    Course,
    Track,
    average,
    expect,
    learn_shapes,
)
from nstar.curves.watching import PLACES
from nstar.files import table_files

OLMO = ("run", "family", "step", "params", "tokens", "loss_c4_en")
SCHEDULES = ("params_label", "schedule", "step", "lr", "loss")
TRAIN = ("cosine_24000", "constant_24000", "wsdcon_9")
ALPHA = 0.05
LEAVES = 0.3  # of the way, where a run leaves its law
STEP = 3.0  # sds of the forecast
SOON = 0.6  # of the way, before which a step is to be caught
FOLDS = 6
WARM = 0.01  # of a run: a warm-up that its table does not have
FAILURES = (ValueError, TypeError, RuntimeError, np.linalg.LinAlgError)
SHARES = (0.2, 0.5, 0.8)  # of the way, at which ends are forecast
LEVELS = (0.5, 0.8, 0.9, 0.95)
BAND = 1.96  # sds

# a run's noise in OLMo 2's ladder: sd of a measurement and of what wanders, the memory of
# that, how both grow with the excess over the end, and what runs differ by, of the excess
WHITE, WANDER, MEMORY, STEEP, OF_RUN = 3e-4, 1.1e-4, 0.13, 20.0, 0.005


def rise(way: np.ndarray) -> np.ndarray:
    """Learning rate as a share of the peak: a warm-up of a fiftieth, a cosine to a tenth."""
    warm = 0.02
    fall = 0.1 + 0.45 * (1 + np.cos(np.pi * (way - warm) / (1 - warm)))
    return np.where(way < warm, way / warm, fall)


class Truth:
    """A loss surface with what is still to be learned and annealed on the way to an end."""

    def __init__(self, random: np.random.Generator) -> None:
        self.floor = random.uniform(1.6, 2.0)
        self.by_size, self.by_data = random.uniform(0.25, 0.4, 2)
        self.pace = random.uniform(0.3, 1.0)
        self.late = random.uniform(0.02, 0.06)  # loss that annealing takes off
        self.sharp = random.uniform(0.6, 1.4)

    def log_loss(self, N: float, D: float, way: np.ndarray) -> np.ndarray:
        """Log loss along the way."""
        grid = np.linspace(0, 1, 2001)
        area = np.cumsum(rise(grid) ** self.pace)
        progress = np.interp(way, grid, area / area[-1])
        annealed = ((1 - rise(way)) / 0.9) ** self.sharp
        loss = self.floor + 0.6 * (N / 3e8) ** -self.by_size
        loss += 0.5 * (D * progress / 6e9) ** -self.by_data
        return np.log(loss - self.late * annealed)


def noise(
    way: np.ndarray, excess: np.ndarray, runs: int, random: np.random.Generator
) -> np.ndarray:
    """Noise of runs along the way, (run, place), autocorrelated."""
    apart = np.abs(way[:, None] - way[None])
    slow = np.linalg.cholesky(np.exp(-apart / MEMORY) + 1e-10 * np.eye(len(way)))
    shock = random.standard_normal((3, runs, len(way)))
    of_run = np.exp(-0.5 * (np.subtract.outer(np.log(way), np.log(way)) / 0.5) ** 2)
    smooth = np.linalg.cholesky(of_run + 1e-8 * np.eye(len(way)))
    loud = (1 + STEEP * excess) * np.exp(0.3 * random.standard_normal((runs, 1)))
    return loud * (WHITE * shock[0] + WANDER * shock[1] @ slow.T) + OF_RUN * excess * (
        shock[2] @ smooth.T
    )


def simulated_ladder(truth: Truth, random: np.random.Generator) -> list[Track]:
    """Curves of four sizes and five lengths."""
    way, tracks = np.linspace(0, 1, 81)[9:], []
    for N in (1.9e8, 3.7e8, 7.6e8, 1.3e9):
        for multiple in (10, 20, 40, 100, 200):
            log = truth.log_loss(N, multiple * N, way)
            log = log + noise(way, log - log[-1], 1, random)[0]
            size = float(np.log(N)), float(np.log(multiple * N))
            tracks.append(
                Track(f"{N:g} x {multiple}", way, log, np.ones(len(way)), size)
            )
    return tracks


def simulated(ladders: int, runs: int) -> Iterator[dict]:
    """Watch simulated runs, so many of each kind for each ladder."""
    fates: dict[str, list[np.ndarray]] = {"on": [], "step": [], "slope": [], "band": []}
    errors: dict[float, list[np.ndarray]] = {share: [] for share in SHARES}
    start = time.process_time()
    for seed in range(ladders):
        random = np.random.default_rng(seed)
        truth = Truth(random)
        tracks = simulated_ladder(truth, random)
        N = 1.3e9 * random.uniform(2, 4)
        D = N * random.uniform(15, 100)
        size = float(np.log(N)), float(np.log(D))
        way = np.linspace(BEGIN, 1, 61)
        binned = average(Track("", way, way, np.ones(len(way)), size), PLACES)
        way = binned.way
        law = truth.log_loss(N, D, way)
        last = float(truth.log_loss(N, D, np.ones(1))[0])
        end = End(last, random.uniform(0.004, 0.02))
        course = expect(
            learn_shapes(tracks, near=size, seed=seed), size, way, binned.count
        )
        later, reached = way >= LEAVES, np.interp(LEAVES, way, law)
        departures = {
            "on": np.zeros(1),
            "step": random.choice([-1.0, 1.0], (runs, 1)) * STEP * end.sd * later,
            "slope": np.where(later, np.maximum(reached - law, 0.0), 0.0),
        }
        for kind, departure in departures.items():
            off = end.sd * random.standard_normal((runs, 1))
            paths = law + off + noise(way, law - last, runs, random) + departure
            fates[kind].append(first(follow(course, end, paths), way))
            if kind == "on":
                fates["band"].append(outside(course, end, paths))
                for share in SHARES:
                    followed = follow(course, end, paths[:, way <= share])
                    errors[share].append(miss(followed.ends, paths[:, -1]))
        spent = time.process_time() - start
        say(f"ladder {seed + 1} of {ladders}, {spent:.0f} s")
    at = {kind: np.concatenate(parts) for kind, parts in fates.items()}
    about = {
        "table": "simulated",
        "size": "ladder",
        "runs": len(at["on"]),
        "alpha": ALPHA,
    }
    yield about | {
        "method": "nstar watch",
        **alarms(at["on"]),
        "step_caught_before_0.6": float(np.mean(at["step"] < SOON)),
        "step_caught": float(np.mean(np.isfinite(at["step"]))),
        "step_alarm_before_it": float(np.mean(at["step"] < LEAVES)),
        "slope_caught_before_0.6": float(np.mean(at["slope"] < SOON)),
        "slope_caught": float(np.mean(np.isfinite(at["slope"]))),
        "cpu_s": time.process_time() - start,
    }
    yield about | {"method": "95 % band at every place", **alarms(at["band"])}
    for share, parts in errors.items():
        yield about | {
            "method": "end",
            "prefix": share,
            **coverage(np.concatenate(parts)),
        }


def alarms(at: np.ndarray) -> dict:
    """Share of runs that alarm, and its standard error, from places of alarms, (run,)."""
    share = float(np.mean(np.isfinite(at)))
    return {"alarms": share, "alarms_se": float(np.sqrt(share * (1 - share) / len(at)))}


def first(followed: Followed, way: np.ndarray) -> np.ndarray:
    """Place of the first alarm of each run, infinite where there is none, (run,)."""
    over = followed.log_e >= -np.log(ALPHA)
    return np.where(over.any(1), way[over.argmax(1)], np.inf)


def outside(course: Course, end: End, paths: np.ndarray) -> np.ndarray:
    """Place at which each run first leaves the 95 % band of its path, (run,)."""
    mean = np.exp(course.weight) @ course.mean
    variance = np.exp(course.weight) @ course.covariance.diagonal(axis1=1, axis2=2)
    z = (paths - end.mean - mean) / np.sqrt(variance + end.sd**2)
    over = np.abs(z) > BAND
    return np.where(over.any(1), course.way[over.argmax(1)], np.inf)


def miss(ends: Ends, truth: np.ndarray) -> np.ndarray:
    """Probability below each end, as measured, and width of its 90 % interval, (run, 2)."""
    sd = np.hypot(ends.sd, WHITE)

    def below(log_loss: np.ndarray) -> np.ndarray:
        return np.sum(ends.weight * ndtr((log_loss[:, None] - ends.mean) / sd), 1)

    def quantile(prob: float) -> np.ndarray:
        low, high = truth - 1, truth + 1
        for _ in range(30):
            middle = (low + high) / 2
            under = below(middle) < prob
            low, high = np.where(under, middle, low), np.where(under, high, middle)
        return low

    return np.column_stack([below(truth), quantile(0.95) - quantile(0.05)])


def coverage(of_ends: np.ndarray) -> dict:
    """How often intervals of the end hold it, and how wide they are."""
    off = 2 * np.abs(of_ends[:, 0] - 0.5)
    return {
        "runs": len(of_ends),
        "coverage": {f"{level:g}": float(np.mean(off <= level)) for level in LEVELS},
        "width": {"0.9": float(np.mean(of_ends[:, 1]))},
    }


def forecast(tracks: Sequence[Track], size: tuple[float, float]) -> End:
    """Forecast an end from those of other runs, by least squares of Chinchilla's form."""
    middle = np.mean([t.size for t in tracks], axis=0)
    x = np.array([t.size for t in tracks]) - middle
    y = np.array([t.log_loss[-1] for t in tracks])

    def form(x, e, a, b, alpha, beta):
        return np.logaddexp(np.logaddexp(e, a - alpha * x[:, 0]), b - beta * x[:, 1])

    begin = [y.mean() - 0.5, y.mean() - 1.5, y.mean() - 1.5, 0.3, 0.3]
    p, covariance = curve_fit(form, x, y, begin, maxfev=20000)
    at = (np.array(size) - middle)[None]
    step = 1e-4
    slope = [
        (form(at, *(p + step * e)) - form(at, *(p - step * e)))[0] / (2 * step)
        for e in np.eye(5)
    ]
    left = np.sum((form(x, *p) - y) ** 2) / max(len(y) - 5, 1)
    return End(
        float(form(at, *p)[0]), float(np.sqrt(slope @ covariance @ slope + left + 1e-6))
    )


def ladder(file: Path) -> list[Track]:
    """Read the ladder curves of a table."""
    table = table_files.read(file).columns
    of_ladder = table["family"].astype(str) == "ladder"
    runs, tracks = table["run"].astype(str), []
    for run in np.unique(runs[of_ladder]):
        at = (runs == run) & of_ladder
        step, loss, tokens = (
            table[n][at].astype(float) for n in ("step", "loss_c4_en", "tokens")
        )
        columns = {"run": runs[at], "step": step, "loss": loss, "lr": np.ones(at.sum())}
        (curve,) = read_curves(columns).curves
        N = float(table["params"][at].astype(float).max())
        tracks.append(track(curve, curve.end, N, float(tokens.max())))
    return tracks


class Tally:
    """What the test said of each run of a table, and how far off forecasts of ends were."""

    def __init__(self, file: Path, size: str, method: str = "nstar watch") -> None:
        self.method = method
        self.about = {"table": file.stem, "size": size}
        self.start = time.process_time()
        self.at: dict[str, float] = {}
        self.errors: dict[float, list[np.ndarray]] = {share: [] for share in SHARES}
        self.failed: dict[str, str] = {}

    def watch(
        self, live: Track, expected: Callable[[Track], tuple[Course, End]]
    ) -> None:
        """Watch one run, whose course and end are expected as a function says."""
        try:
            binned = average(live, PLACES)
            course, end = expected(binned)
            followed = follow(course, end, binned.log_loss[None])
            for share in SHARES:
                seen = binned.log_loss[None, binned.way <= share]
                if seen.shape[1] > 1:
                    ends = follow(course, end, seen).ends
                    self.errors[share].append(miss(ends, live.log_loss[-1:]))
        except FAILURES as error:
            self.failed[live.run] = str(error)
            return
        self.at[live.run] = float(first(followed, binned.way)[0])
        largest = float(np.exp(min(followed.log_e.max(), 700)))
        say(f"{self.about['size']} {live.run}: e-value {largest:.3g} at most")

    def rows(self) -> Iterator[dict]:
        """Alarms, then ends by the share seen."""
        about = self.about | {"runs": len(self.at), "alpha": ALPHA}
        yield about | {
            "method": self.method,
            **(alarms(np.array([*self.at.values()])) if self.at else {}),
            "alarmed": {run: at for run, at in self.at.items() if np.isfinite(at)},
            "failed": self.failed,
            "cpu_s": time.process_time() - self.start,
        }
        for share, parts in self.errors.items():
            if parts:
                errors = coverage(np.concatenate(parts))
                method = f"{self.method}: end"
                yield about | {"method": method, "prefix": share, **errors}


def of_ladder(file: Path) -> Iterator[dict]:
    """Watch each run of a ladder beside runs of other designs."""
    tally, tracks = Tally(file, "ladder"), ladder(file)
    alone = Tally(file, "ladder", "nstar watch of a run alone")
    designs = sorted({t.size for t in tracks})
    for fold in range(min(FOLDS, len(designs))):
        out = designs[fold::FOLDS]
        rest = [t for t in tracks if t.size not in out]
        shapes = learn_shapes(rest, near=max(out, key=sum))

        def expected(live: Track, rest=rest, shapes=shapes) -> tuple[Course, End]:
            course = expect(shapes, live.size, live.way, live.count)
            return course, forecast(rest, live.size)

        def by_prior(live: Track, rest=rest) -> tuple[Course, End]:
            end = forecast(rest, live.size)
            cosine = named("cosine", 1.0, 1.0, WARM)
            loss = float(np.exp(end.mean))
            return expect_by_prior(cosine, 1.0, loss, live.way, live.count), end

        for t in (t for t in tracks if t.size in out):
            tally.watch(t, expected)
            alone.watch(t, by_prior)
    yield from tally.rows()
    yield from alone.rows()


def of_schedules(file: Path) -> Iterator[dict]:
    """Watch each curve of a size beside a law fitted to the training curves."""
    for label in np.unique(table_files.read(file).columns["params_label"].astype(str)):
        tally, where = Tally(file, str(label)), [f"params_label={label}"]
        curves = read_curves(str(file), {"run": "schedule"}, where).curves
        fit = fit_curves([c for c in curves if c.run in TRAIN])
        for curve in (c for c in curves if c.run not in TRAIN):

            def expected(live: Track, curve=curve, fit=fit) -> tuple[Course, End]:
                return expect_by_law(
                    fit, curve.schedule, curve.end, live.way, live.count
                )

            tally.watch(track(curve, curve.end, None, None), expected)
        yield from tally.rows()


def say(text: str) -> None:
    """Print progress."""
    print(text, file=sys.stderr, flush=True)


def tables(folder: Path | None, needed: Sequence[str]) -> Iterator[Path]:
    """Yield the tables that have the columns."""
    files = (
        []
        if folder is None
        else sorted([*folder.glob("*.csv"), *folder.glob("*.parquet")])
    )
    for file in files:
        if set(needed) <= set(table_files.read(file).columns):
            yield file


def main() -> None:
    """Score every part and print a table, or a document."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--part", choices=("simulated", "olmo", "schedules"), action="append"
    )
    parser.add_argument("--ladders", type=int, default=10)
    parser.add_argument("--runs", type=int, default=200, help="of each ladder and kind")
    options = parser.parse_args()
    parts = options.part or ["simulated", "olmo", "schedules"]
    sources = [("simulated", None, lambda _: simulated(options.ladders, options.runs))]
    sources += [("olmo", f, of_ladder) for f in tables(options.data, OLMO)]
    sources += [("schedules", f, of_schedules) for f in tables(options.data, SCHEDULES)]
    rows: list[dict] = []
    for part, file, score in sources:
        if part not in parts:
            continue
        try:
            for row in score(file):
                rows.append(row)
                say(json.dumps(row))
        except FAILURES as error:
            name = part if file is None else file.stem
            rows.append({"table": name, "method": "nstar watch", "failed": str(error)})
            say(json.dumps(rows[-1]))
    if options.json:
        print(json.dumps({"tables": rows}, indent=1))
        return
    for row in rows:
        rest = {n: v for n, v in row.items() if n not in ("table", "size", "method")}
        print(f"{row['table']:13} {row.get('size', ''):7} {row['method']:25} {rest}")


if __name__ == "__main__":
    main()
