"""What is to be fitted, as a TOML file says it: checked whole before anything runs."""

import difflib
import tomllib
from collections.abc import Sequence
from glob import has_magic
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, ValidationError

from nstar.batch.toml_lines import line_of
from nstar.departures.bending import amplitudes
from nstar.departures.discrepancy import DISCREPANCIES
from nstar.files.data_files import shipped
from nstar.fits.model import named, unknowns
from nstar.priors.sets import SETS, PriorSet
from nstar.priors.stated import parse

type Place = Sequence[str | int]


class Part(BaseModel):
    """A table of the manifest: other keys than its own are refused."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False
    )


class Data(Part):
    """Runs: a data set, a table, or a glob of tables, beside the manifest."""

    source: str
    name: str | None = None
    columns: dict[str, str] = {}
    where: list[str] = []
    by: str | None = None  # a column; each of its values is a ladder
    flop_per_param_token: PositiveFloat = 6.0
    params_counted: Literal["total", "non-embedding", "active", "unknown"] | None = None


class Grid(Part):
    """Choices, each with each."""

    laws: Annotated[list[str], Field(min_length=1)] = ["coupled"]
    noises: Annotated[list[str], Field(min_length=1)] = ["usual"]
    discrepancies: Annotated[list[str], Field(min_length=1)] = ["none"]
    priors: Annotated[list[str], Field(min_length=1)] = ["weak"]
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] = [0]
    pooled: bool = False  # one more fit of each choice, of all ladders together


class Priors(Part):
    """A set of priors of one's own, by the name of its table."""

    set: str = "weak"
    without: list[str] = []
    own: dict[str, str] = {}


class Bootstrap(Part):
    """Runs, or the values of a column with all their runs, drawn with replacement."""

    kind: Literal["bootstrap"]
    count: Annotated[int, Field(ge=1, le=100_000)] = 200
    by: str = "run"


class LeaveOut(Part):
    """The runs without those of each value of a column in turn."""

    kind: Literal["leave_out"]
    by: str = "budget"


class HoldOut(Part):
    """The runs without the largest, which are then predicted and scored."""

    kind: Literal["hold_out"]
    decades: Annotated[list[PositiveFloat], Field(min_length=1)] = [1.0]


class Run(Part):
    """A run whose loss is told."""

    N: PositiveFloat
    D: PositiveFloat


class Targets(Part):
    """What is predicted of each fit: N*, D* and L* of budgets, the loss of runs."""

    budgets: list[PositiveFloat] = []
    runs: list[Run] = []


class Sampler(Part):
    """How much is drawn, and how finely."""

    draws: Annotated[int, Field(ge=50, le=100_000)] = 400
    precision: Literal["float64", "float32"] = "float64"


class Outputs(Part):
    """What is written, and the probability of its intervals."""

    prob: Annotated[float, Field(gt=0, lt=1)] = 0.9
    draws: bool = True
    csv: bool = True
    page: bool = True


class Manifest(Part):
    """All that decides a batch."""

    name: str = "batch"
    data: Annotated[list[Data], Field(min_length=1)]
    grid: Grid = Grid()
    priors: dict[str, Priors] = {}
    resample: list[
        Annotated[Bootstrap | LeaveOut | HoldOut, Field(discriminator="kind")]
    ] = []
    targets: Targets = Targets()
    sampler: Sampler = Sampler()
    outputs: Outputs = Outputs()
    # Not of the file: where sources are looked for, and where each entry of data stands.
    folder: Annotated[Path, Field(exclude=True, strict=False)] = Path()
    at: Annotated[tuple[str, ...], Field(exclude=True)] = ()

    def prior_set(self, name: str) -> PriorSet:
        """Find a set of priors: one of the manifest's, or nstar's."""
        if name not in self.priors:
            return PriorSet(name)
        own = self.priors[name]
        return PriorSet(own.set, own.own, tuple(own.without))


def read(source: str | Path) -> Manifest:
    """Read a manifest from a file, or one that nstar ships by its name.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no manifest; the message names the line.
    """
    path = Path(source)
    if not path.is_file():
        folder = shipped("manifests/public-ladders.toml").parent
        ours = {f.stem: f for f in sorted(folder.glob("*.toml"))}
        if path.name.removesuffix(".toml") not in ours or path.parent != Path():
            msg = f"{source}: no such file, and no manifest that nstar ships; those are {', '.join(ours)}"
            raise FileNotFoundError(msg)
        path = ours[path.name.removesuffix(".toml")]
    try:
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        msg = f"{path}, line {line}: expected a TOML file in UTF-8 ({error})"
        raise ValueError(msg) from None
    except tomllib.TOMLDecodeError as error:
        said = str(error).replace(
            "at end of document", f"at end of document, line {text.count(chr(10)) + 1}"
        )
        msg = f"{path}: not TOML: {said}"
        raise ValueError(msg) from None

    def refuse(place: Place, why: str) -> ValueError:
        return ValueError(f"{path}, line {line_of(text, place)}: {why}")

    for own in sorted(set(document) & OURS):
        raise refuse(
            [own], f"{own}: unknown key; sources are looked for beside the manifest"
        )
    entries = document.get("data")
    count = len(entries) if isinstance(entries, list) else 0
    at = tuple(f"{path}, line {line_of(text, ['data', i])}" for i in range(count))
    try:
        manifest = Manifest(**document, folder=path.parent.absolute(), at=at)
    except ValidationError as errors:
        error = errors.errors()[0]
        place = [p for p in error["loc"] if p not in KINDS]
        raise refuse(place, _words(error, place)) from None
    except TypeError as error:
        raise refuse([], str(error)) from None
    if found := fault(manifest):
        raise refuse(*found)
    return manifest


OURS = {"folder", "at"}  # fields that no file may set
KINDS = {"bootstrap": Bootstrap, "leave_out": LeaveOut, "hold_out": HoldOut}
TABLES = {
    "data": Data,
    "grid": Grid,
    "priors": Priors,
    "targets": Targets,
    "sampler": Sampler,
    "outputs": Outputs,
    "runs": Run,
}


def _words(error: Any, place: Place) -> str:
    """Say what is wrong in the manifest's own words."""
    said = ".".join(str(p) for p in place if not isinstance(p, int)) or "manifest"
    if error["type"] == "extra_forbidden":
        tables = [TABLES[p] for p in place[:-1] if p in TABLES]
        kinds = [KINDS[p] for p in error["loc"] if p in KINDS]
        fields = list((tables or kinds or [Manifest])[-1].model_fields)
        fields = [f for f in fields if f not in OURS]
        near = difflib.get_close_matches(str(place[-1]), fields, n=1, cutoff=0.5)
        hint = (
            f"did you mean {near[0]!r}?" if near else f"there are {', '.join(fields)}"
        )
        return f"{said}: unknown key; {hint}"
    if error["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return f"{said}: kind is one of {', '.join(map(repr, KINDS))}"
    if error["type"] == "missing":
        return f"{said}: is missing"
    got = error["input"]
    shown = f", got {got!r}" if not isinstance(got, dict) else ""
    return f"{said}: {error['msg'][:1].lower()}{error['msg'][1:]}{shown}"


def fault(manifest: Manifest) -> tuple[Place, str] | None:
    """Find the first thing that no table can tell of itself: where, and what."""
    grid = manifest.grid
    for name, own in manifest.priors.items():
        if name in SETS:
            return [
                "priors",
                name,
            ], f"priors.{name}: is the name of nstar's own set; choose another"
        try:
            manifest.prior_set(name)
            for prior in own.own.values():
                parse(prior)
        except ValueError as error:
            return ["priors", name], f"priors.{name}: {error}"
    single = [
        e.name or Path(e.source).stem
        for e in manifest.data
        if not e.by and not has_magic(e.source)
    ]
    if twice := next((n for n in single if single.count(n) > 1), None):
        last = max(
            i
            for i, e in enumerate(manifest.data)
            if (e.name or Path(e.source).stem) == twice
        )
        return (
            ["data", last],
            f"data: two ladders are named {twice!r}; give one of them a name = of its own",
        )
    for name in grid.priors:
        if name not in SETS and name not in manifest.priors:
            return (
                ["grid", "priors"],
                f"grid.priors: no set {name!r}; there are {', '.join([*SETS, *manifest.priors])}",
            )
    for name in grid.discrepancies:
        if name not in DISCREPANCIES:
            return (
                ["grid", "discrepancies"],
                f"grid.discrepancies: no discrepancy {name!r}; there are {', '.join(DISCREPANCIES)}",
            )
    if any(r.kind == "bootstrap" for r in manifest.resample) and set(
        grid.discrepancies
    ) != {"none"}:
        return ["grid", "discrepancies"], (
            "grid.discrepancies: a bootstrap is of a law whose form is exact; waves have a "
            "posterior at the runs themselves. Leave the bootstrap out, or the waves"
        )
    return _choices(manifest)


def _choices(manifest: Manifest) -> tuple[Place, str] | None:
    """Find the first law, noise or prior that does not go with another."""
    grid, known = manifest.grid, set()
    for name in grid.laws:
        for noise in grid.noises:
            try:
                law, scatter = named(name, None if noise == "usual" else noise)
            except ValueError as error:
                return [
                    "grid",
                    "laws" if "no law" in str(error) else "noises",
                ], f"grid: {error}"
            known |= {*unknowns(law, scatter)} | amplitudes(law)
    for name, own in manifest.priors.items():
        if strange := [n for n in own.own if n not in known]:
            return (
                ["priors", name, "own"],
                f"priors.{name}.own: {strange[0]!r} is no unknown of these laws; there are {', '.join(sorted(known))}",
            )
    for kind in ("laws", "noises", "discrepancies", "priors", "seeds"):
        values = getattr(grid, kind)
        if len(set(values)) < len(values):
            twice = next(v for v in values if values.count(v) > 1)
            return ["grid", kind], f"grid.{kind}: {twice!r} comes twice"
    return None
