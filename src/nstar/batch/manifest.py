"""What is to be fitted, as a TOML file says it: checked whole before anything runs."""

import tomllib
from glob import has_magic
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    ValidationError,
    model_validator,
)

from nstar.batch.manifest_errors import describe, error_at, line_of, unknown_key
from nstar.departures import require_discrepancy
from nstar.files.data_files import shipped
from nstar.laws.parsing import read_law
from nstar.noises import read_noise
from nstar.priors.families import read_prior
from nstar.priors.sets import SETS, PriorSet
from nstar.types import Law, Noise

USUAL = "usual"  # the noise that a law has unless another is named
KINDS = ("bootstrap", "leave_out", "hold_out")


def distinct[T](values: list[T]) -> list[T]:
    """Refuse a list that has a value twice."""
    if len(set(values)) < len(values):
        msg = f"{next(v for v in values if values.count(v) > 1)!r} comes twice"
        raise ValueError(msg)
    return values


def new_set(name: str) -> str:
    """Refuse the name of one of nstar's own sets of priors."""
    if name in SETS:
        msg = "is the name of nstar's own set; choose another"
        raise ValueError(msg)
    return name


NotOfTheFile = Field(
    exclude=True, description="sources are looked for beside the manifest"
)
AtLeastOne = Field(min_length=1)
Names = Annotated[list[str], AtLeastOne, AfterValidator(distinct)]
Discrepancy = Annotated[str, AfterValidator(require_discrepancy)]


class Table(BaseModel):
    """A table of the manifest: other keys than its own are refused."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _keys_are_known[T](cls, values: T) -> T:
        if isinstance(values, dict):
            keys = [n for n, field in cls.model_fields.items() if not field.exclude]
            if strange := [key for key in values if key not in keys]:
                hidden = cls.model_fields.get(strange[0])
                hint = hidden.description if hidden else None
                raise unknown_key(strange[0], keys, hint)
        return values


class Data(Table):
    """Runs: a data set, a table, or a glob of tables, beside the manifest."""

    source: str
    name: str | None = None
    columns: dict[str, str] = {}
    where: list[str] = []
    by: str | None = None  # a column; each of its values is a ladder
    # the one of these that others are compared with, as recipes, rather than fitted apart
    baseline: str | None = None
    flop_per_param_token: PositiveFloat = 6.0
    params_counted: Literal["total", "non-embedding", "active", "unknown"] | None = None

    @model_validator(mode="after")
    def _baseline_is_of_recipes(self) -> Self:
        if self.baseline and not self.by:
            msg = f'data: baseline {self.baseline!r} of which recipes? name their column, as in by = "recipe"'
            raise error_at(["baseline"], msg)
        return self

    @property
    def ladder(self) -> str:
        """Name of the ladder, where the entry is one."""
        return self.name or Path(self.source).stem


class Grid(Table):
    """Choices, each with each."""

    laws: Names = ["coupled"]
    noises: Names = [USUAL]
    discrepancies: Annotated[
        list[Discrepancy], AtLeastOne, AfterValidator(distinct)
    ] = ["none"]
    priors: Names = ["weak"]
    seeds: Annotated[
        list[Annotated[int, Field(ge=0)]], AtLeastOne, AfterValidator(distinct)
    ] = [0]
    pooled: bool = False  # one more fit of each choice, of all ladders together

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        readers = (("laws", read_law, ""), ("noises", read_noise, USUAL))
        for key, read_name, usual in readers:
            for name in getattr(self, key):
                if name == usual:
                    continue
                try:
                    read_name(name)
                except ValueError as error:
                    raise error_at([key], f"grid: {error}") from None
        return self

    def models(self) -> dict[tuple[str, str], tuple[Law, Noise]]:
        """Each law with each noise, by their names; a law's usual noise by its own.

        Raises:
            ValidationError: they do not go together.
        """
        from nstar.fits.model import (
            parse_model,  # JAX: once the rest is known to be right
        )
        from nstar.noises.likelihoods import NOISES

        pairs = {}
        for name in self.laws:
            for kind in self.noises:
                try:
                    model = parse_model(name, None if kind == USUAL else kind)
                except ValueError as error:
                    raise error_at(["grid", "noises"], f"grid: {error}") from None
                names = (
                    n for n, v in NOISES.items() if kind == USUAL and v == model.noise
                )
                pairs[name, next(names, kind)] = model.law, model.noise
        return pairs


class Priors(Table):
    """A set of priors of one's own, by the name of its table."""

    set: str = "weak"
    without: list[str] = []
    own: dict[str, str] = {}

    @model_validator(mode="after")
    def _priors_are_known(self) -> Self:
        self.prior_set()
        for prior in self.own.values():
            read_prior(prior)
        return self

    def prior_set(self) -> PriorSet:
        """Build the set.

        Raises:
            ValueError: there is no set or source of that name.
        """
        return PriorSet(self.set, self.own, tuple(self.without))


class Bootstrap(Table):
    """Runs, or the values of a column with all their runs, drawn with replacement."""

    kind: Literal["bootstrap"]
    count: Annotated[int, Field(ge=1, le=100_000)] = 200
    by: str = "run"

    @property
    def label(self) -> str:
        """What it is called in a table."""
        return f"bootstrap by {self.by}"


class LeaveOut(Table):
    """The runs without those of each value of a column in turn."""

    kind: Literal["leave_out"]
    by: str = "budget"

    @property
    def label(self) -> str:
        """What it is called in a table."""
        return f"leave out {self.by}"


class HoldOut(Table):
    """The runs without the largest, which are then predicted and scored."""

    kind: Literal["hold_out"]
    decades: Annotated[list[PositiveFloat], AtLeastOne] = [1.0]

    @property
    def label(self) -> str:
        """What it is called in a table."""
        return "hold out"


Resampling = Annotated[Bootstrap | LeaveOut | HoldOut, Field(discriminator="kind")]


class Run(Table):
    """A run whose loss is predicted."""

    N: PositiveFloat
    D: PositiveFloat


class Targets(Table):
    """What is predicted of each fit: N*, D* and L* of budgets, the loss of runs."""

    budgets: list[PositiveFloat] = []
    runs: list[Run] = []


class Sampler(Table):
    """How much is drawn, and how finely."""

    draws: Annotated[int, Field(ge=50, le=100_000)] = 400
    precision: Literal["float64", "float32"] = "float64"


class Outputs(Table):
    """What is written, and the probability of its intervals."""

    prob: Annotated[float, Field(gt=0, lt=1)] = 0.9
    draws: bool = True
    csv: bool = True
    page: bool = True


class Manifest(Table):
    """All that decides a batch."""

    name: str = "batch"
    data: Annotated[list[Data], AtLeastOne]
    grid: Grid = Grid()
    priors: dict[Annotated[str, AfterValidator(new_set)], Priors] = {}
    resample: list[Resampling] = []
    targets: Targets = Targets()
    sampler: Sampler = Sampler()
    outputs: Outputs = Outputs()
    # Not of the file: where sources are looked for, and where each entry of data stands.
    folder: Annotated[Path, NotOfTheFile] = Path()
    at: Annotated[tuple[str, ...], NotOfTheFile] = ()

    def prior_set(self, name: str) -> PriorSet:
        """Find a set of priors: one of the manifest's, or nstar's."""
        return self.priors[name].prior_set() if name in self.priors else PriorSet(name)

    @model_validator(mode="after")
    def _ladders_have_names_of_their_own(self) -> Self:
        single = [
            e.ladder
            for e in self.data
            if (e.baseline or not e.by) and not has_magic(e.source)
        ]
        if twice := next((n for n in single if single.count(n) > 1), None):
            last = max(i for i, e in enumerate(self.data) if e.ladder == twice)
            msg = f"data: two ladders are named {twice!r}; give one of them a name = of its own"
            raise error_at(["data", last], msg)
        return self

    @model_validator(mode="after")
    def _comparisons_have_budgets(self) -> Self:
        compared = [i for i, e in enumerate(self.data) if e.baseline]
        if compared and not self.targets.budgets:
            msg = "data: recipes are compared at budgets, and there are none; add [targets] with budgets = [1e24]"
            raise error_at(["data", compared[0], "baseline"], msg)
        return self

    @model_validator(mode="after")
    def _priors_are_of_the_grid(self) -> Self:
        sets = [*SETS, *self.priors]
        if strange := [name for name in self.grid.priors if name not in sets]:
            msg = f"grid.priors: no set {strange[0]!r}; there are {', '.join(sets)}"
            raise error_at(["grid", "priors"], msg)
        return self

    @model_validator(mode="after")
    def _bootstraps_are_of_exact_laws(self) -> Self:
        bends = set(self.grid.discrepancies) != {"none"}
        if bends and any(r.kind == "bootstrap" for r in self.resample):
            msg = (
                "grid.discrepancies: a bootstrap is of a law whose form is exact; waves have a "
                "posterior at the runs themselves. Leave the bootstrap out, or the waves"
            )
            raise error_at(["grid", "discrepancies"], msg)
        return self

    @model_validator(mode="after")
    def _laws_go_with_noises_and_priors(self) -> Self:
        from nstar.departures.bending import amplitudes
        from nstar.fits.model import unknowns

        known = set[str]()
        for law, noise in self.grid.models().values():
            known |= {*unknowns(law, noise)} | amplitudes(law)
        for name, table in self.priors.items():
            if unknown := [n for n in table.own if n not in known]:
                msg = f"priors.{name}.own: {unknown[0]!r} is no unknown of these laws; there are {', '.join(sorted(known))}"
                raise error_at(["priors", name, "own"], msg)
        return self


def read(source: str | Path) -> Manifest:
    """Read a manifest from a file, or one that nstar ships by its name.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no manifest; the message names the line.
    """
    path = _find(source)
    try:
        text = path.read_text(encoding="utf-8")
        manifest = Manifest.model_validate(tomllib.loads(text))
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        msg = f"{path}, line {line}: expected a TOML file in UTF-8 ({error})"
        raise ValueError(msg) from None
    except tomllib.TOMLDecodeError as error:
        end = f"at end of document, line {text.count(chr(10)) + 1}"
        msg = f"{path}: not TOML: {str(error).replace('at end of document', end)}"
        raise ValueError(msg) from None
    except ValidationError as errors:
        msg = f"{path}, {describe(text, errors, KINDS)}"
        raise ValueError(msg) from None
    entries = range(len(manifest.data))
    at = tuple(f"{path}, line {line_of(text, ['data', i])}" for i in entries)
    return manifest.model_copy(update={"folder": path.parent.absolute(), "at": at})


def _find(source: str | Path) -> Path:
    """Find the file of a manifest, which may be one that nstar ships."""
    path = Path(source)
    if path.is_file():
        return path
    folder = shipped("manifests/public-ladders.toml").parent
    ours = {f.stem: f for f in sorted(folder.glob("*.toml"))}
    name = path.name.removesuffix(".toml")
    if name not in ours or path.parent != Path():
        msg = f"{source}: no such file, and no manifest that nstar ships; those are {', '.join(ours)}"
        raise FileNotFoundError(msg)
    return ours[name]
