"""Options that commands share, and the checks that need no data."""

import math
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from nstar.plans.actions import Limits

Command = tuple[Callable[..., None], str]  # and an example of it


def hang(app: typer.Typer, *commands: Command) -> None:
    """Hang commands into the door, each with its example."""
    for command, example in commands:
        app.command(epilog=f"Example: {example}")(command)


Runs = Annotated[
    str,
    typer.Argument(
        metavar="RUNS",
        help="A CSV or Parquet file, the name of a data set (`nstar data`), or a saved fit (.nc).",
    ),
]
Law = Annotated[
    str | None,
    typer.Option(
        "--law",
        metavar="LAW",
        help="isoflop (profiles of loss at fixed compute), allocation or allocation_free "
        "(compute-optimal points), coupled (a loss surface), or any law of the README, as in "
        "bounded_metric(chance=0.001). Chosen from the runs, and named, unless given. Several, as in chinchilla,coupled, are averaged.",
    ),
]
Noise = Annotated[
    str | None,
    typer.Option(
        "--noise",
        metavar="NOISE",
        help="student_t, normal, correlated, growing (wider for smaller runs), between (runs of a budget are off together; "
        "between:COLUMN of another group), repeated (runs made again) or one_sided (tuning only "
        "ever hurts); the law's usual one unless given.",
    ),
]
Discrepancy = Annotated[
    str | None,
    typer.Option(
        "--discrepancy",
        metavar="KIND",
        help="waves (a loss surface, or the line of optima, may bend smoothly about its form) or "
        "none (its form is exact); waves unless given, where the law can carry them and is not pooled.",
    ),
]
Pool = Annotated[
    str | None,
    typer.Option(
        "--pool",
        metavar="COLUMN",
        help="A column that groups the runs (corpus, recipe, optimiser, family): each group "
        "has unknowns of its own, and borrows from the others.",
    ),
]
Group = Annotated[
    str | None,
    typer.Option(
        "--group",
        metavar="NAME",
        help="Of a pooled fit: the group that is meant, or next, one not seen yet.",
    ),
]
Priors = Annotated[
    list[str] | None,
    typer.Option(
        "--prior",
        metavar="NAME=PRIOR",
        help="A prior of an unknown: alpha1='Normal(0.5, 0.05)'. Repeatable.",
    ),
]
PriorSet = Annotated[
    str | None,
    typer.Option(
        "--priors",
        metavar="SET",
        help="weak (the laws' own) or informed (learned from the public record, less the "
        "source of these runs); --prior changes single ones on top. weak unless given.",
    ),
]
Columns = Annotated[
    str | None,
    typer.Option(
        "--columns",
        metavar="MAP",
        help="Our names to the table's: N=params,D=tokens,L=loss. N is parameters, D "
        "training tokens, C training FLOP, L loss.",
    ),
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="FILTER",
        help="Keep rows: 'corpus=c4', 'C<=1e20', or the best runs, 'least error by C'. Repeatable.",
    ),
]
FlopPer = Annotated[
    float | None,
    typer.Option(
        "--flop-per-param-token",
        metavar="K",
        help="FLOP per parameter and token, k of C = k N D; 6 unless given.",
    ),
]
Counted = Annotated[
    str | None,
    typer.Option(
        "--params-counted",
        metavar="HOW",
        help="How N was counted: total, non-embedding or unknown.",
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        "--seed",
        metavar="SEED",
        help="The same seed gives the same draws; 0 unless given.",
    ),
]
Prob = Annotated[
    float,
    typer.Option(
        "--prob", metavar="PROB", help="Probability of the credible intervals."
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout.")
]
Out = Annotated[
    str | None, typer.Option("--out", "-o", metavar="FILE", help="Where to write.")
]
Budgets = Annotated[
    list[float],
    typer.Option(
        "--budget",
        "-C",
        metavar="FLOP",
        help="Training budget in FLOP, as in 3.8e25. Repeatable.",
    ),
]
MultipleOf = Annotated[
    str | None,
    typer.Option(
        "--multiple-of",
        metavar="N",
        help="Recommend sizes that are multiples of this: 1B.",
    ),
]
MaxParams = Annotated[
    str | None,
    typer.Option(
        "--max-params", metavar="N", help="Largest size that may be recommended: 500B."
    ),
]
MaxTokens = Annotated[
    str | None,
    typer.Option(
        "--max-tokens", metavar="D", help="Most tokens that a run may see: 15T."
    ),
]
Params = Annotated[
    str | None,
    typer.Option(
        "--params", metavar="N", help="The only size that may be recommended: 8B."
    ),
]
Memory = Annotated[
    str | None,
    typer.Option(
        "--memory",
        metavar="BYTES",
        help="Memory that is to hold the model: 640GB, 80GiB.",
    ),
]
BytesPerParam = Annotated[
    str | None,
    typer.Option(
        "--bytes-per-param",
        metavar="BYTES",
        help="Of that memory: 2 (weights in bf16) unless given; training with Adam in mixed precision takes 16 to 18.",
    ),
]
UniqueTokens = Annotated[
    str | None,
    typer.Option(
        "--unique-tokens",
        metavar="D",
        help="Unique tokens there are: 2T. A law that knows of repetition (data_constrained) repeats them as it helps; others see them once.",
    ),
]
MaxEpochs = Annotated[
    str | None,
    typer.Option(
        "--max-epochs",
        metavar="TIMES",
        help="Most times that a run may see them; up to 4 are nearly as good as fresh ones.",
    ),
]
Cache = Annotated[
    bool,
    typer.Option(
        "--cache/--no-cache",
        help="Keep compiled programs in the user's cache folder (NSTAR_CACHE).",
    ),
]


def require_prob(prob: float, option: str = "--prob") -> None:
    """Refuse what is no probability before anything is sampled.

    Raises:
        ValueError: it does not lie between 0 and 1.
    """
    if not 0 < prob < 1:
        hint = f"; {prob:g} % is {prob / 100:g}" if 1 < prob < 100 else ""
        msg = f"{option} {prob:g}: expected a probability between 0 and 1, such as 0.9{hint}"
        raise ValueError(msg)


def require_positive(option: str, values: Sequence[float], example: str) -> None:
    """Refuse zero, negative and infinite values before anything is sampled.

    Raises:
        ValueError: one of them is not positive and finite.
    """
    for value in values:
        if not (math.isfinite(value) and value > 0):
            msg = f"{option} {value:g}: expected a positive number such as {example}"
            raise ValueError(msg)


def laws(text: str) -> list[str]:
    """Read one law, or several to be averaged, as in chinchilla,coupled.

    Raises:
        ValueError: a name is missing between two commas.
    """
    names = [part.strip() for part in re.split(r",(?![^()]*\))", text)]
    if not all(names):
        msg = f"--law {text!r}: expected a law, or several to average, as in chinchilla,coupled"
        raise ValueError(msg)
    return names


def pairs(texts: Sequence[str] | None, option: str, example: str) -> dict[str, Any]:
    """Read options of the form name=value.

    Raises:
        ValueError: one is no pair, or a name comes twice.
    """
    found: dict[str, str] = {}
    for text in texts or ():
        name, sign, value = (part.strip() for part in text.partition("="))
        if not (sign and name and value) or name in found:
            again = " comes twice" if name in found else ""
            msg = f"{option} {text!r}{again}: expected name=value, as in {example}"
            raise ValueError(msg)
        found[name] = value
    return found


def limits(**texts: str | None) -> "Limits":
    """Read limits on a run, as in max_tokens="15T"; those not given are none.

    Raises:
        ValueError: one is no positive number, or no run meets them.
    """
    from nstar.plans.actions import Limits, amount, memory

    given = {name: text for name, text in texts.items() if text is not None}
    if "bytes_per_param" in given and "memory" not in given:
        msg = f"--bytes-per-param {given['bytes_per_param']}: of which memory? give --memory too, as in --memory 640GB"
        raise ValueError(msg)
    return Limits(
        **{
            name: (memory if name == "memory" else amount)(
                text, f"--{name.replace('_', '-')}"
            )
            for name, text in given.items()
        }
    )
