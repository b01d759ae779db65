"""From a manifest to chunks of fits: the same chunks wherever and whenever they are run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from nstar.batch import comparisons, digests
from nstar.batch.ladders import Ladder, ladders
from nstar.batch.manifest import Bootstrap, HoldOut, LeaveOut, Manifest
from nstar.batch.table import POOLED, WHOLE
from nstar.departures.bending import amplitudes
from nstar.fits.model import parse_model, unknowns
from nstar.fits.resampling import counts_of_runs
from nstar.multipliers.reading import BYTES, METRICS, SEEDS, names_of_runs
from nstar.priors.sets import PriorSet
from nstar.runs.observations import Observations
from nstar.runs.splits import split
from nstar.types import Reads, Sharing
from nstar.validation.backtest import default_along

COMPARING = {"N", "D", "C", "L", BYTES, *METRICS, *SEEDS}  # what a comparison reads
CHUNK = 64  # fits of a chunk: what a program on a CPU takes at a time

type RequestDigests = tuple[str, str]  # of the sampler, and of the targets


class Choice(NamedTuple):
    """What a fit assumes."""

    law: str
    noise: str
    discrepancy: str
    priors: str
    seed: int
    prior_set: PriorSet  # what the set says of this choice's own unknowns

    @property
    def words(self) -> tuple[str | int, ...]:
        """What a manifest calls it."""
        return self.law, self.noise, self.discrepancy, self.priors, self.seed

    def digest(self, runs: Observations) -> str:
        """Digest the model of these runs."""
        model = self.law, self.noise, self.discrepancy
        return digests.of_model(*model, self.prior_set, self.seed, runs)


class Sample(NamedTuple):
    """The runs that a fit learns from, of its ladder's."""

    resample: str = WHOLE  # none, bootstrap by run, leave out budget, hold out, pooled
    label: str = ""  # 17, 6e+18, 1 decade
    weight: np.ndarray | None = None  # times that each run counts, (run,)
    keep: np.ndarray | None = None  # runs that are learned from, (run,)


class Group(NamedTuple):
    """Samples of one resampling, or the reason why there are none."""

    samples: list[Sample]
    reason: str = ""


@dataclass(frozen=True)
class Chunk:
    """Fits that are worked out together, of one ladder under one choice."""

    name: str  # hash of its fits' names, of what they are called, and of what is asked of them
    ladder: str
    choice: Choice
    samples: tuple[Sample, ...]
    fits: tuple[str, ...]  # names, hashes of all that each is made of
    runs: Observations | None
    reason: str = ""  # why it cannot be run
    lost: bool = False  # by the machine, and so for another time
    compared: Ladder | None = None  # where its samples are recipes of a table

    @property
    def labels(self) -> tuple[str, ...]:
        """What a person calls each fit."""
        return labels(self.ladder, self.choice, self.samples)

    @property
    def title(self) -> str:
        """What is run, in a line."""
        c, first, last = self.choice, self.samples[0], self.samples[-1]
        words = [self.ladder, c.law, c.noise]
        words += [c.discrepancy] if c.discrepancy != "none" else []
        words += [c.priors] if c.priors != "weak" else []
        words += [f"seed {c.seed}"] if c.seed else []
        if first.resample != WHOLE:
            span = first.label if first is last else f"{first.label} to {last.label}"
            words.append(f"{first.resample} {span}".strip())
        return " · ".join(words)

    def runs_of(self, sample: Sample) -> Observations | None:
        """Runs that a fit learns from; a bootstrap's are all, each as often as is drawn."""
        if self.runs is None:
            return None
        if sample.resample == POOLED:
            return self.runs.take(self.runs["ladder"] == sample.label)
        return self.runs if sample.keep is None else self.runs.take(sample.keep)


def labels(ladder: str, choice: Choice, samples: Sequence[Sample]) -> tuple[str, ...]:
    """Name fits as a person does."""
    head = "/".join([ladder, *map(str, choice.words)])
    return tuple(
        f"{head}/{s.resample}{'/' if s.label else ''}{s.label}" for s in samples
    )


def plan(manifest: Manifest) -> list[Chunk]:
    """Say what a manifest asks for, in its order.

    Raises:
        ValueError: two ladders have one name.
    """
    every, choices = ladders(manifest), list(_choices(manifest))
    sources = [ladder for ladder in every if not ladder.baseline]
    targets = manifest.targets.model_dump() | {"prob": manifest.outputs.prob}
    request = digests.of_sampler(manifest.sampler), digests.of(targets)
    chunks = [
        chunk
        for ladder in every
        for chunk in (
            _of_recipes(ladder, manifest.grid.seeds, request)
            if ladder.baseline
            else _of_ladder(ladder, choices, manifest, request)
        )
    ]
    if manifest.grid.pooled:
        chunks += [c for choice in choices for c in _pooled(sources, choice, request)]
    return chunks


def _of_ladder(
    ladder: Ladder,
    choices: Sequence[Choice],
    manifest: Manifest,
    request: RequestDigests,
) -> Iterator[Chunk]:
    """Each choice's fits of a ladder, cut into chunks."""
    name, runs, reason = ladder[:3]
    if runs is None:
        for choice in choices:
            digest = digests.of([name, *choice.words, reason])
            yield _refused(digest, name, choice, [Sample()], reason)
        return
    data, groups = digests.of_runs(runs), list(_groups(runs, manifest))
    marks = [[_mark(s, group.reason) for s in group.samples] for group in groups]
    for choice in choices:
        model = choice.digest(runs)
        for (samples, reason), of_samples in zip(groups, marks, strict=True):
            fits = [digests.of([model, data, mark, request[0]]) for mark in of_samples]
            for i in range(0, len(samples), CHUNK):
                cut = slice(i, i + CHUNK)
                yield _chunk(
                    name, choice, samples[cut], fits[cut], runs, request, reason
                )


def _of_recipes(
    ladder: Ladder, seeds: Sequence[int], request: RequestDigests
) -> Iterator[Chunk]:
    """One comparison of a table's recipes for each seed."""
    for seed in seeds:
        model = comparisons.LAW, comparisons.NOISE, comparisons.DISCREPANCY
        choice = Choice(*model, "weak", seed, PriorSet())
        try:
            names = comparisons.others(ladder)
        except ValueError as error:
            digest = digests.of([ladder.name, *choice.words, str(error)])
            samples = [Sample(comparisons.COMPARED)]
            refused = _refused(digest, ladder.name, choice, samples, str(error))
            yield replace(refused, compared=ladder._replace(runs=None))
            continue
        assert ladder.runs is not None  # noqa: S101  others() has seen them
        of_runs = [
            ladder.runs[n].tolist() for n in ladder.runs.columns if n in COMPARING
        ]
        groups = names_of_runs(ladder.runs, ladder.by).tolist()
        digest = [comparisons.MODEL, of_runs, groups, ladder.baseline, seed, request]
        fits = [digests.of([digest, name]) for name in names]
        samples = [Sample(comparisons.COMPARED, name) for name in names]
        chunk = _chunk(ladder.name, choice, samples, fits, ladder.runs, request)
        yield replace(chunk, compared=ladder._replace(runs=None))


def _mark(sample: Sample, reason: str) -> str:
    """Digest which runs are learned from."""
    of_runs = digests.of_array(sample.weight) + digests.of_array(sample.keep)
    return of_runs + (reason and reason + sample.label)


def _chunk(
    ladder: str,
    choice: Choice,
    samples: Sequence[Sample],
    fits: Sequence[str],
    runs: Observations,
    request: RequestDigests,
    reason: str = "",
) -> Chunk:
    names = labels(ladder, choice, samples)
    digest = digests.of([names, fits, request])
    return Chunk(digest, ladder, choice, tuple(samples), tuple(fits), runs, reason)


def _refused(
    digest: str, ladder: str, choice: Choice, samples: Sequence[Sample], reason: str
) -> Chunk:
    """Fits of runs that are not there."""
    fits = ("",) * len(samples)
    return Chunk(digest, ladder, choice, tuple(samples), fits, None, reason)


def _choices(manifest: Manifest) -> Iterator[Choice]:
    grid = manifest.grid
    for names, (law, noise) in grid.models().items():
        for discrepancy in grid.discrepancies:
            bends = set() if discrepancy == "none" else amplitudes(law)
            known = {*unknowns(law, noise)} | bends  # a set may speak of others too
            for priors in grid.priors:
                prior_set = manifest.prior_set(priors).only(known)
                for seed in grid.seeds:
                    yield Choice(*names, discrepancy, priors, seed, prior_set)


def _groups(runs: Observations, manifest: Manifest) -> Iterator[Group]:
    """Whole runs, then each resampling; or why there is none."""
    yield Group([Sample()])
    for how in manifest.resample:
        try:
            match how:
                case Bootstrap(by=by, count=count, label=label):
                    times = enumerate(
                        counts_of_runs(runs, by, count, manifest.grid.seeds[0])
                    )
                    yield Group([Sample(label, str(i), weight=w) for i, w in times])
                case LeaveOut():
                    yield Group(_left_out(runs, how))
                case HoldOut():
                    along = default_along(runs, manifest.grid.laws[0])
                    yield from _held_out(runs, how, along)
        except ValueError as error:
            yield Group([Sample(how.label)], str(error))


def _held_out(runs: Observations, how: HoldOut, along: str) -> list[Group]:
    """Hold out what the ladder has runs enough for; say of the rest why not."""
    samples, refused = list[Sample](), list[Group]()
    for decades in how.decades:
        sample = Sample(how.label, f"{decades:g} decades")
        try:
            rows = split(runs, decades, along).train.rows
            samples.append(sample._replace(keep=np.isin(runs.rows, rows)))
        except ValueError as error:
            refused.append(Group([sample], str(error)))
    return [Group(samples), *refused] if samples else refused


def _left_out(runs: Observations, how: LeaveOut) -> list[Sample]:
    if how.by not in runs:
        msg = f"{runs.source}: no column {how.by!r} to leave values of out; there are {', '.join(runs.columns)}"
        raise ValueError(msg)
    values = runs[how.by]
    each = np.unique(values[(values == values) & (values != "")])
    if len(each) < 2:
        msg = f"{runs.source}: {how.by!r} has one value; leaving it out leaves no run"
        raise ValueError(msg)
    names = [f"{v:g}" if isinstance(v, float) else str(v) for v in each]
    return [
        Sample(how.label, name, keep=np.asarray(values != v))
        for name, v in zip(names, each, strict=True)
    ]


def _pooled(
    sources: Sequence[Ladder], choice: Choice, request: RequestDigests
) -> Iterator[Chunk]:
    """One fit of all ladders, each with unknowns of its own about a population's.

    Those that lack what it reads are left out, and said to be.
    """
    model = parse_model(choice.law, choice.noise)
    law, noise = model.law, model.noise
    read = noise.inputs if isinstance(noise, Reads) else ()
    needs = list(dict.fromkeys([*law.inputs, *law.response.columns, *read]))
    shared = [noise.over] if isinstance(noise, Sharing) and noise.over else []
    parts = dict[str, Observations]()
    for name, runs, *_ in sources:
        if runs is None:
            continue
        if lacks := [n for n in needs if n not in runs and n != "ladder"]:
            why = f"left out of the pool: it has no {', '.join(map(repr, lacks))}"
            digest = digests.of([POOLED, name, request, choice.words, why])
            yield _refused(digest, POOLED, choice, [Sample(POOLED, name)], why)
        else:
            parts[name] = runs
    samples = [Sample(POOLED, name) for name in parts] or [Sample(POOLED)]
    try:
        runs = together(parts, [*needs, "se", "questions", *shared])
    except ValueError as error:
        digest = digests.of([POOLED, request, choice.words, str(error)])
        yield _refused(digest, POOLED, choice, samples, str(error))
        return
    model, data = choice.digest(runs), [digests.of_runs(r) for r in parts.values()]
    fits = [digests.of([model, POOLED, data, name, request[0]]) for name in parts]
    yield _chunk(POOLED, choice, samples, fits, runs, request)


def together(parts: dict[str, Observations], also: Sequence[str] = ()) -> Observations:
    """Put ladders into one table: N, D, C, L and other columns that all have, and their names.

    Raises:
        ValueError: there is nothing to pool, or FLOP are not counted alike.
    """
    if len(parts) < 2:
        msg = "pooling takes two ladders or more"
        raise ValueError(msg)
    each = list(parts.values())
    if len({runs.cost for runs in each}) > 1:
        msg = "ladders whose FLOP per parameter and token differ are not pooled"
        raise ValueError(msg)
    names = dict.fromkeys(["N", "D", "C", "L", *also])
    shared = [n for n in names if all(n in runs for runs in each)]
    columns = {n: np.concatenate([runs[n] for runs in each]) for n in shared}
    columns["ladder"] = np.repeat([*parts], [len(runs) for runs in each])
    counted = {runs.params_counted for runs in each}
    units = {runs.loss_unit for runs in each}
    return Observations(
        columns,
        np.arange(len(columns["ladder"])) + 1,
        "all ladders",
        "",
        each[0].cost,
        derived=each[0].derived,
        params_counted=counted.pop() if len(counted) == 1 else "unknown",
        loss_unit=units.pop() if len(units) == 1 else "unknown",
    )
