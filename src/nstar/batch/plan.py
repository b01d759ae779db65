"""From a manifest to chunks of fits: the same chunks wherever and whenever they are run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nstar.batch import identity
from nstar.batch.ladders import Ladder, ladders
from nstar.batch.manifest import Manifest
from nstar.departures.bending import amplitudes
from nstar.fits.model import named, unknowns
from nstar.fits.resampling import counts_of_runs
from nstar.noises.likelihoods import NOISES
from nstar.priors.sets import PriorSet
from nstar.runs.observations import Observations
from nstar.runs.splits import split
from nstar.types import Reads, Sharing
from nstar.validation.backtest import usual_along

CHUNK = 64  # fits of a chunk: what a program on a CPU takes at a time
POOLED = "pooled"  # the resampling of one fit of all ladders


class Choice(NamedTuple):
    """What a fit assumes."""

    law: str
    noise: str
    discrepancy: str
    priors: str
    seed: int
    prior_set: PriorSet  # what the set says of this choice's own unknowns


class Sample(NamedTuple):
    """The runs that a fit learns from, of its ladder's."""

    resample: str = "none"  # none, bootstrap by run, leave out budget, hold out, pooled
    label: str = ""  # 17, 6e+18, 1 decade
    weight: np.ndarray | None = None  # times that each run counts, (run,)
    keep: np.ndarray | None = None  # runs that are learned from, (run,)


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

    @property
    def labels(self) -> tuple[str, ...]:
        """What a person calls each fit."""
        return labels(self.ladder, self.choice, self.samples)

    @property
    def title(self) -> str:
        """What is run, in a line."""
        c, first, last = self.choice, self.samples[0], self.samples[-1]
        what = [self.ladder, c.law, c.noise]
        what += [c.discrepancy] if c.discrepancy != "none" else []
        what += [c.priors] if c.priors != "weak" else []
        what += [f"seed {c.seed}"] if c.seed else []
        if first.resample != "none":
            span = first.label if first is last else f"{first.label} to {last.label}"
            what.append(f"{first.resample} {span}".strip())
        return " · ".join(what)


def labels(ladder: str, choice: Choice, samples: Sequence[Sample]) -> tuple[str, ...]:
    """Name fits as a person does."""
    head = "/".join([ladder, *map(str, choice[:5])])
    return tuple(
        f"{head}/{s.resample}{'/' if s.label else ''}{s.label}" for s in samples
    )


def plan(manifest: Manifest) -> list[Chunk]:
    """Say what a manifest asks for, in its order.

    Raises:
        ValueError: two ladders have one name.
    """
    found = ladders(manifest)
    choices = list(_choices(manifest))
    asked = _asked(manifest)
    chunks: list[Chunk] = []
    for ladder in found:
        if ladder.runs is None:
            whole = Sample()
            chunks += [
                Chunk(
                    identity.of([ladder.name, *c[:5], ladder.reason]),
                    ladder.name,
                    c,
                    (whole,),
                    ("",),
                    None,
                    ladder.reason,
                )
                for c in choices
            ]
            continue
        data, groups = (
            identity.of_runs(ladder.runs),
            list(_samples(ladder.runs, manifest)),
        )
        told = [
            [
                identity.of_array(s.weight)
                + identity.of_array(s.keep)
                + (why and why + s.label)
                for s in g
            ]
            for g, why in groups
        ]
        for choice in choices:
            model = identity.of_model(
                *choice[:3], choice.prior_set, choice.seed, ladder.runs
            )
            for (samples, reason), own in zip(groups, told, strict=True):
                fits = [identity.of([model, data, s, asked[0]]) for s in own]
                for i in range(0, len(samples), CHUNK):
                    cut, some = (
                        tuple(samples[i : i + CHUNK]),
                        tuple(fits[i : i + CHUNK]),
                    )
                    name = identity.of([labels(ladder.name, choice, cut), some, asked])
                    chunks.append(
                        Chunk(name, ladder.name, choice, cut, some, ladder.runs, reason)
                    )
    if manifest.grid.pooled:
        chunks += [c for choice in choices for c in _pooled(found, choice, asked)]
    return chunks


def _asked(manifest: Manifest) -> tuple[str, str]:
    """Hash how is sampled, and what is told of the draws."""
    told = manifest.targets.model_dump() | {"prob": manifest.outputs.prob}
    return identity.of_sampler(manifest.sampler), identity.of(told)


def _choices(manifest: Manifest) -> Iterator[Choice]:
    grid = manifest.grid
    for law in grid.laws:
        for noise in dict.fromkeys(_noise(law, n) for n in grid.noises):
            for discrepancy in grid.discrepancies:
                for priors in grid.priors:
                    own = manifest.prior_set(priors).only(
                        _known(law, noise, discrepancy)
                    )
                    for seed in grid.seeds:
                        yield Choice(law, noise, discrepancy, priors, seed, own)


def _known(law: str, noise: str, discrepancy: str) -> set[str]:
    """Name the unknowns of a choice: a set of priors may speak of other choices' too."""
    form, scatter = named(law, noise)
    bends = set() if discrepancy == "none" else amplitudes(form)
    return {*unknowns(form, scatter)} | bends


def _noise(law: str, noise: str) -> str:
    """Name a law's usual noise."""
    if noise != "usual":
        return noise
    _, usual = named(law, None)
    return next((n for n, v in NOISES.items() if v == usual), noise)


def _samples(
    runs: Observations, manifest: Manifest
) -> Iterator[tuple[list[Sample], str]]:
    """Whole runs, then each resampling; or why there is none."""
    yield [Sample()], ""
    for asked in manifest.resample:
        by = getattr(asked, "by", "")
        said = f"{asked.kind.replace('_', ' ')}{f' by {by}' if asked.kind == 'bootstrap' else f' {by}' if by else ''}"
        try:
            if asked.kind == "bootstrap":
                times = counts_of_runs(runs, by, asked.count, manifest.grid.seeds[0])
                yield [Sample(said, str(i), weight=w) for i, w in enumerate(times)], ""
            elif asked.kind == "leave_out":
                yield _left_out(runs, by, said), ""
            else:
                yield from _held_out(runs, asked.decades, said, manifest)
        except ValueError as error:
            yield [Sample(said)], str(error)


def _held_out(
    runs: Observations, decades: Sequence[float], said: str, manifest: Manifest
) -> Iterator[tuple[list[Sample], str]]:
    """Hold out what the ladder has runs enough for; say of the rest why not."""
    along = usual_along(runs, manifest.grid.laws[0])
    made, refused = list[Sample](), list[tuple[Sample, str]]()
    for d in decades:
        label = f"{d:g} decades"
        try:
            rows = split(runs, d, along).train.rows
            made.append(Sample(said, label, keep=np.isin(runs.rows, rows)))
        except ValueError as error:
            refused.append((Sample(said, label), str(error)))
    if made:
        yield made, ""
    for sample, why in refused:
        yield [sample], why


def _left_out(runs: Observations, by: str, said: str) -> list[Sample]:
    if by not in runs:
        msg = f"{runs.source}: no column {by!r} to leave values of out; there are {', '.join(runs.columns)}"
        raise ValueError(msg)
    values = runs[by]
    known = values[(values == values) & (values != "")]
    each = np.unique(known)
    if len(each) < 2:
        msg = f"{runs.source}: {by!r} has one value; leaving it out leaves no run"
        raise ValueError(msg)
    return [
        Sample(
            said,
            f"{v:g}" if isinstance(v, float) else str(v),
            keep=np.asarray(values != v),
        )
        for v in each
    ]


def _pooled(
    found: Sequence[Ladder], choice: Choice, asked: tuple[str, str]
) -> Iterator[Chunk]:
    """One fit of all ladders, each with unknowns of its own about a population's.

    Those that lack what it reads are left out, and said to be.
    """
    law, noise = named(choice.law, choice.noise)
    read = noise.inputs if isinstance(noise, Reads) else ()
    needs = list(dict.fromkeys([*law.inputs, *law.response.columns, *read]))
    also = [
        "se",
        "questions",
        *([noise.over] if isinstance(noise, Sharing) and noise.over else []),
    ]
    held = list[tuple[str, Observations]]()
    for name, runs, _ in found:
        if runs is None:
            continue
        if lacks := [n for n in needs if n not in runs and n != "ladder"]:
            why = f"left out of the pool: it has no {', '.join(map(repr, lacks))}"
            one = identity.of([POOLED, name, asked, choice[:5], why])
            yield Chunk(one, POOLED, choice, (Sample(POOLED, name),), ("",), None, why)
        else:
            held.append((name, runs))
    samples = tuple(Sample(POOLED, name) for name, _ in held) or (Sample(POOLED),)
    try:
        runs = together(held, [*needs, *also])
    except ValueError as error:
        yield Chunk(
            identity.of([POOLED, asked, choice[:5], str(error)]),
            POOLED,
            choice,
            samples,
            ("",) * len(samples),
            None,
            str(error),
        )
        return
    model = identity.of_model(*choice[:3], choice.prior_set, choice.seed, runs)
    fits = [
        identity.of(
            [model, POOLED, [identity.of_runs(r) for _, r in held], name, asked[0]]
        )
        for name, _ in held
    ]
    yield Chunk(
        identity.of([labels(POOLED, choice, samples), fits, asked]),
        POOLED,
        choice,
        samples,
        tuple(fits),
        runs,
    )


def together(
    held: Sequence[tuple[str, Observations]], also: Sequence[str] = ()
) -> Observations:
    """Put ladders into one table: N, D, C, L and other columns that all have, and their names.

    Raises:
        ValueError: there is nothing to pool, or FLOP are not counted alike.
    """
    if len(held) < 2:
        msg = "pooling takes two ladders or more"
        raise ValueError(msg)
    if len({runs.cost for _, runs in held}) > 1:
        msg = "ladders whose FLOP per parameter and token differ are not pooled"
        raise ValueError(msg)
    first = held[0][1]
    usual = dict.fromkeys(["N", "D", "C", "L", *also])
    shared = [n for n in usual if all(n in r for _, r in held)]
    columns = {n: np.concatenate([r[n] for _, r in held]) for n in shared}
    columns["ladder"] = np.concatenate([np.full(len(r), name) for name, r in held])
    rows = np.arange(len(columns["ladder"])) + 1
    counted, units = (
        {getattr(r, n) for _, r in held} for n in ("params_counted", "loss_unit")
    )
    return Observations(
        columns,
        rows,
        "all ladders",
        "",
        first.cost,
        derived=first.derived,
        params_counted=counted.pop() if len(counted) == 1 else "unknown",
        loss_unit=units.pop() if len(units) == 1 else "unknown",
    )
