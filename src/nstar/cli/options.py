"""Options that commands share, and the checks that need no data."""

import inspect
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nstar.amounts import FLOP, read_amount
from nstar.answers import Document

if TYPE_CHECKING:
    from nstar.plans.actions import Limits
    from nstar.plans.bills import Bill
    from nstar.priors.sets import PriorSet
    from nstar.runs.problems import ReadOptions


@dataclass(frozen=True)
class Command:
    """A function as Typer reads it, every option spelled out, and an example of its use."""

    run: Callable[..., None]
    example: str
    panel: str


# panels of `nstar --help`, by what people want
BEGIN, DECIDE, CHECK, KEEP = "To begin", "To decide", "To check", "To keep"


def command(
    example: str, without: Sequence[str] = (), panel: str = DECIDE
) -> Callable[[Callable[..., None]], Command]:
    """Make a function a command, each parameter that is a group replaced by its options.

    A group is a dataclass whose fields are options, such as `Request`; the function
    receives an instance.

    Args:
        example: of its use, for its help.
        without: options of its groups that the command does not have.
        panel: of `nstar --help` that lists it.
    """

    def expand(function: Callable[..., None]) -> Command:
        parameters = inspect.signature(function).parameters.values()
        groups = {p.name: p.annotation for p in parameters if _is_group(p.annotation)}
        plain = [p for p in parameters if p.name not in groups]
        names = {
            name: [f.name for f in fields(kind) if f.name not in without]
            for name, kind in groups.items()
        }
        shared = [
            _option(field)
            for name, kind in groups.items()
            for field in fields(kind)
            if field.name in names[name]
        ]
        options = [p.replace(kind=p.KEYWORD_ONLY) for p in (*plain, *shared)]

        @wraps(function)
        def run(**given: Any) -> None:
            filled = {
                name: kind(**{option: given.pop(option) for option in names[name]})
                for name, kind in groups.items()
            }
            function(**filled, **given)

        vars(run)["__signature__"] = inspect.Signature(options)
        run.__annotations__ = {option.name: option.annotation for option in options}
        return Command(run, example, panel)

    return expand


def _is_group(kind: Any) -> bool:
    return is_dataclass(kind) and isinstance(kind, type)


def _option(field: Field) -> inspect.Parameter:
    """Turn a field of a group into an option."""
    default = inspect.Parameter.empty if field.default is MISSING else field.default
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=field.type,
    )


def flop(text: str) -> float:
    """Read 3.8e25, 1e22 FLOP or 38 YFLOP; whether it is positive is seen later.

    Raises:
        typer.BadParameter: it is no number of FLOP.
    """
    amount = read_amount(text, FLOP)
    if amount.problem:
        msg = f"expected FLOP such as 3.8e25, but {text!r} {amount.problem}"
        raise typer.BadParameter(msg)
    return amount.value


def budget(help: str) -> Any:
    """Option of one or several budgets, in FLOP."""
    return typer.Option("--budget", "-C", metavar="FLOP", help=help, parser=flop)


def up_to(help: str) -> Any:
    """Option of how far to look, in FLOP."""
    return typer.Option("--up-to", metavar="FLOP", help=help, parser=flop)


def chance(help: str) -> Any:
    """Option of a probability with which something is to be reached."""
    return typer.Option("--chance", metavar="PROB", help=help)


def run(help: str) -> Any:
    """Option of runs as N,D."""
    return typer.Option("--at", metavar="N,D", help=help)


def point(help: str) -> Any:
    """Option of inputs of a law by name."""
    return typer.Option("--at", metavar="NAME=X", help=help)


Runs = Annotated[
    str,
    typer.Argument(
        metavar="RUNS",
        help="A CSV, JSON or Parquet file, the name of a data set (`nstar data`), or a saved fit (.nc).",
    ),
]
Law = Annotated[
    str | None,
    typer.Option(
        "--law",
        metavar="LAW",
        help="isoflop (profiles of loss at fixed compute), allocation or allocation_free "
        "(compute-optimal points), coupled (a loss surface), or any law of docs/which_law.md, as in "
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
PriorSetName = Annotated[
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
Units = Annotated[
    str | None,
    typer.Option(
        "--units",
        metavar="MAP",
        help="What columns are counted in: N=1e6,D=billions.",
    ),
]
SkipRows = Annotated[
    str | None,
    typer.Option(
        "--skip-rows",
        metavar="ROWS",
        help="Rows to leave out, by their number in the file: 4,9.",
    ),
]
Decimal = Annotated[
    str | None,
    typer.Option(
        "--decimal",
        metavar="SIGN",
        help="comma or point: the sign that divides, as in 3,973 for a little less than four.",
    ),
]
DropDiverged = Annotated[
    bool,
    typer.Option(
        "--drop-diverged", help="Leave out runs whose loss is far above the others'."
    ),
]
Accept = Annotated[
    list[str] | None,
    typer.Option(
        "--accept",
        metavar="NAME",
        help="Take a problem of the table as it is, as `nstar check` names it. Repeatable.",
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
        parser=flop,
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

Hardware = Annotated[
    str | None,
    typer.Option(
        "--hardware",
        metavar="NAME",
        help="Accelerator that turns FLOP into hours: h100, a100, tpu-v5p, ...",
    ),
]
Precision = Annotated[
    str | None,
    typer.Option(
        "--precision",
        metavar="NAME",
        help="Of the accelerator's peak: bf16 unless given.",
    ),
]
Mfu = Annotated[
    str | None,
    typer.Option(
        "--mfu",
        metavar="SHARE",
        help="Model FLOP utilisation, a number or a distribution: 0.4, 'Uniform(0.38, 0.43)', which is Llama 3's and meant unless given.",
    ),
]
Goodput = Annotated[
    str | None,
    typer.Option(
        "--goodput",
        metavar="SHARE",
        help="Share of the booked time in which steps count, likewise; 0.9 unless given.",
    ),
]
Price = Annotated[
    str | None,
    typer.Option(
        "--price",
        metavar="MONEY",
        help="Of an accelerator-hour, a number or a distribution: 2.5, 'Uniform(2, 3)'.",
    ),
]


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """How a table of runs is read."""

    columns: Columns = None
    where: Where = None
    flop_per_param_token: FlopPer = None
    params_counted: Counted = None
    units: Units = None
    skip_rows: SkipRows = None
    decimal: Decimal = None
    drop_diverged: DropDiverged = False
    accept: Accept = None

    def read_options(self) -> "ReadOptions":
        """Read how the table is to be read.

        Raises:
            ValueError: an option is not as it should be.
        """
        from nstar.runs.problems import ReadOptions, read_names
        from nstar.runs.units import parse_units

        if self.decimal not in (None, "comma", "point"):
            msg = f"--decimal {self.decimal}: expected comma or point"
            raise ValueError(msg)
        return ReadOptions(
            columns(self.columns),
            parse_units(pairs(_parts(self.units), "--units", "N=1e6,D=billions")),
            tuple(self.where or ()),
            rows(self.skip_rows),
            self.decimal or "",
            self.drop_diverged,
            read_names(self.accept or ()),
        )


@dataclass(frozen=True)
class Request(TableOptions):
    """The runs, or a saved fit, and the law that is asked for."""

    runs: Runs
    law: Law = None
    noise: Noise = None
    discrepancy: Discrepancy = None
    prior: Priors = None
    priors: PriorSetName = None
    seed: Seed = None
    cache: Cache = True
    pool: Pool = None
    group: Group = None

    def __post_init__(self) -> None:
        """Refuse files and names that there are not, before anything is read.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: there is no such law, noise, discrepancy or prior.
        """
        from nstar.cli.names import require_laws, require_priors
        from nstar.departures import require_discrepancy
        from nstar.noises import read_noise
        from nstar.runs.filters import require_filter
        from nstar.runs.sources import require_source

        require_source(self.runs)
        names = require_laws(laws(self.law) if self.law else [])
        if self.noise:
            read_noise(self.noise)
        if self.discrepancy:
            require_discrepancy(self.discrepancy)
        columns(self.columns)
        for condition in self.where or ():
            require_filter(condition)
        require_priors(self.prior_set, names, self.noise, pooled=bool(self.pool))

    @property
    def saved(self) -> bool:
        """Whether the source is a saved fit."""
        return Path(self.runs).suffix == ".nc"

    @property
    def prior_set(self) -> "PriorSet":
        """The set of priors, with those chosen by name on top.

        Raises:
            ValueError: there is no such set, or a prior is not name=value.
        """
        from nstar.priors.sets import DEFAULT, PriorSet

        chosen = pairs(self.prior, "--prior", "alpha1='Normal(0.5, 0.05)'")
        return PriorSet(self.priors or DEFAULT, chosen)


@dataclass(frozen=True)
class Output:
    """How the answer is printed."""

    prob: Prob = 0.9
    json: Json = False

    def __post_init__(self) -> None:
        """Refuse a value outside (0, 1) before anything is sampled."""
        require_prob(self.prob)


@dataclass(frozen=True)
class LimitOptions:
    """Limits on the run that is recommended."""

    multiple_of: MultipleOf = None
    max_params: MaxParams = None
    max_tokens: MaxTokens = None
    params: Params = None
    memory: Memory = None
    bytes_per_param: BytesPerParam = None
    unique_tokens: UniqueTokens = None
    max_epochs: MaxEpochs = None

    def limits(self) -> "Limits":
        """Read them; those not given are none.

        Raises:
            ValueError: one is no positive number, or no run meets them.
        """
        from nstar.amounts import parse_amount
        from nstar.plans.actions import Limits, parse_memory

        given = {name: text for name, text in vars(self).items() if text is not None}
        if self.bytes_per_param is not None and self.memory is None:
            msg = f"--bytes-per-param {self.bytes_per_param}: of which memory? give --memory too, as in --memory 640GB"
            raise ValueError(msg)
        return Limits(
            **{
                name: (parse_memory if name == "memory" else parse_amount)(
                    text, f"--{name.replace('_', '-')}"
                )
                for name, text in given.items()
            }
        )


@dataclass(frozen=True)
class BillOptions:
    """Where compute is spent, and what it costs."""

    hardware: Hardware = None
    precision: Precision = None
    mfu: Mfu = None
    goodput: Goodput = None
    price: Price = None

    def bill(self) -> "Bill | None":
        """Read where compute is spent; none where no hardware is named.

        Raises:
            ValueError: an option is not as it should be, or says something of no hardware.
        """
        if self.hardware is None:
            for name, value in vars(self).items():
                if value is not None:
                    msg = f"--{name} {value}: of which hardware? give --hardware too, as in --hardware h100"
                    raise ValueError(msg)
            return None
        from nstar.plans import bills
        from nstar.published.hardware import get

        def guess(option: str, text: str | None, usual: Any) -> Any:
            return usual if text is None else bills.parse_guess(text, option)

        return bills.Bill(
            get(self.hardware),
            self.precision,
            guess("--mfu", self.mfu, bills.MFU),
            guess("--goodput", self.goodput, bills.GOODPUT),
            guess("--price", self.price, None),
        )


def require_prob(prob: float, option: str = "--prob") -> None:
    """Refuse a value outside (0, 1) before anything is sampled.

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


def columns(text: str | None, example: str = "N=params,D=tokens,L=loss") -> Document:
    """Read --columns as the table's name of each column.

    Raises:
        ValueError: a part is no pair, or a name comes twice.
    """
    return pairs(_parts(text), "--columns", example)


def _parts(text: str | None) -> list[str]:
    return [part for part in (text or "").split(",") if part]


def rows(text: str | None) -> tuple[int, ...]:
    """Read --skip-rows as the numbers of rows.

    Raises:
        ValueError: one is no number of a row.
    """
    parts = [part.strip() for part in _parts(text)]
    if strange := [part for part in parts if not part.isdecimal()]:
        msg = f"--skip-rows {strange[0]!r}: expected the numbers of rows, as in 4,9"
        raise ValueError(msg)
    return tuple(map(int, parts))


def figure_kind(path: str | None) -> str:
    """Refuse a figure that could not be written later; return its kind, such as svg."""
    from nstar.files.writing import require_writable

    if path is None:
        return ""
    kinds = ".svg", ".png", ".pdf"
    return require_writable(path, *kinds, option="--figure").suffix[1:]


def pairs(texts: Sequence[str] | None, option: str, example: str) -> Document:
    """Read options of the form name=value.

    Raises:
        ValueError: one is no pair, or a name comes twice.
    """
    values: dict[str, str] = {}
    for text in texts or ():
        name, sign, value = (part.strip() for part in text.partition("="))
        if not (sign and name and value) or name in values:
            repeated = " comes twice" if name in values else ""
            msg = f"{option} {text!r}{repeated}: expected name=value, as in {example}"
            raise ValueError(msg)
        values[name] = value
    return values
