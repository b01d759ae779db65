"""What columns besides N, D, C and L are: settings, statuses, steps, names, recipes."""

import re
from enum import Enum

import numpy as np

from nstar.runs.columns import ALIASES, GROUPS, SETTINGS
from nstar.runs.observations import Observations


class Column(Enum):
    """Kind of a column that no law reads."""

    SETTING = "setting"  # learning rate, batch, weight decay ...
    STATUS = "status"  # of a run on the cluster
    STEP = "step"  # of training
    IDENTITY = "identity"  # name, address or number of a run
    SEED = "seed"
    RECIPE = "recipe"  # arm, optimiser, corpus, tokenizer ...
    OTHER = "other"


EDGE, END = r"(?:^|[^a-z])", r"(?:$|[^a-z])"  # a word, whatever stands about it
PATTERNS = {
    Column.SEED: rf"{EDGE}(seeds?|replicas?|replicates?|trials?|repeats?|repetitions?|fold|rank){END}",
    Column.STATUS: rf"{EDGE}(state|status){END}",
    Column.STEP: rf"{EDGE}(steps?|iters?|iterations?|updates?|ckpts?|checkpoints?|progress|percent|pct){END}",
    Column.IDENTITY: rf"{EDGE}(names?|runs?|ids?|urls?|uuid|path|link|created|date|time|timestamp|runtime|hours|elapsed|notes?|comments?|user|host|hostname|tags?|commit|label){END}",
    Column.SETTING: rf"{EDGE}(lr|bs|learning.?rate|batch(.?size)?|(peak|max|min|base|init)?.?lr|wd|weight.?decay|warm.?up|betas?.?[12]?|momentum|eps(ilon)?|dropout|(grad.?)?clip(ping)?|init.?std|decay){END}",
    Column.RECIPE: rf"{EDGE}(recipes?|arms?|variants?|optimi[sz]ers?|corpus|corpora|data.?sets?|(data|token).?(mix|mixture|source)|data|tokeni[sz]ers?|vocab|schedules?|arch|architectures?|famil(y|ies)|groups?|conditions?|ladders?|methods?|experiments?|activation|attention|kinds?|types?){END}",
}
KINDS = {kind: re.compile(pattern) for kind, pattern in PATTERNS.items()}


def kind_of(header: str) -> Column:
    """Tell what a column is by its header."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", header).lower().replace("_", " ")
    return next(
        (kind for kind, known in KINDS.items() if known.search(words)), Column.OTHER
    )


def plain_columns(runs: Observations) -> dict[str, np.ndarray]:
    """Return the columns that no law reads, by our name for them."""
    read = {*ALIASES} - {*GROUPS, *SETTINGS}
    return {name: values for name, values in runs.columns.items() if name not in read}


def of_kind(runs: Observations, kind: Column) -> dict[str, np.ndarray]:
    """Return the columns of one kind, by our name for them."""
    return {
        name: values
        for name, values in plain_columns(runs).items()
        if kind_of(runs.named.get(name, name)) is kind
    }


def as_text(values: np.ndarray) -> np.ndarray:
    """Write cells as text, an empty one as empty, (run,)."""
    if values.dtype.kind == "f":
        return np.array(["" if np.isnan(v) else f"{v:.12g}" for v in values], dtype=str)
    return values.astype(str)


def names_each_run(runs: Observations) -> bool:
    """Tell whether some column gives every row a name of its own."""
    return any(
        len(np.unique(text)) == len(runs) and (text != "").all()
        for values in of_kind(runs, Column.IDENTITY).values()
        if (text := as_text(values)).dtype.kind == "U" and not _is_clock(values)
    )


def _is_clock(values: np.ndarray) -> bool:
    """Tell whether an identity is a duration or an order, which differs in any log."""
    return values.dtype.kind == "f" and not (np.mod(values, 1) == 0).all()
