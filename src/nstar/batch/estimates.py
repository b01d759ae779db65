"""How long a batch may take, said before it is run: rough, and by what."""

from collections.abc import Sequence

from nstar.batch.plan import POOLED, Chunk
from nstar.batch.store import Store
from nstar.samplers import density

BY_WEIGHTS, BY_NUTS, BENT, OF_ALL = 0.03, 2.0, 40.0, 120.0  # seconds of a fit
COMPILE = 25.0  # of a law with a noise, for tables of one size, where nothing is cached
FEW = 40  # runs below which about half of the fits need NUTS


def seconds(chunks: Sequence[Chunk], store: Store, workers: int) -> float:
    """Estimate the wall seconds of chunks that are to be run.

    Args:
        chunks: those.
        store: what the folder holds; the times of its fits are taken where they are of
            the same law, noise and discrepancy.
        workers: that share the work.
    """
    known = _known(store)
    programs = {
        (c.choice[:3], density.size(len(c.runs)))
        for c in chunks
        if c.runs and not c.reason
    }
    fits = sum(len(c.samples) * known.get(c.choice[:3], _usual(c)) for c in chunks)
    return (fits + COMPILE * len(programs)) / workers


def _usual(chunk: Chunk) -> float:
    if chunk.runs is None or chunk.reason:
        return 0.0
    if chunk.samples[0].resample == POOLED:
        return OF_ALL / len(chunk.samples)
    if chunk.choice.discrepancy != "none":
        return BENT
    return BY_NUTS / 2 if len(chunk.runs) < FEW else BY_WEIGHTS


def _known(store: Store) -> dict[tuple[str, str, str], float]:
    """Seconds a fit of each law, noise and discrepancy took before, on average."""
    if store.table is None:
        return {}
    columns = (
        store.table[n].to_pylist() for n in ("law", "noise", "discrepancy", "seconds")
    )
    told: dict[tuple[str, str, str], list[float]] = {}
    for law, noise, discrepancy, took in zip(*columns, strict=True):
        told.setdefault((law, noise, discrepancy), []).append(took or 0.0)
    return {key: sum(each) / len(each) for key, each in told.items()}
