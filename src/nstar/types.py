"""The words of the house: laws, noises and costs, as small protocols."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Real

if TYPE_CHECKING:
    import jax
    from numpyro.distributions import Distribution

    type Array = jax.Array | np.ndarray
    # of an unknown: a distribution, or a function of earlier unknowns giving one
    type Prior = Distribution | Callable[[Params], Distribution]
else:  # JAX is not loaded to say so
    Array = Any | float  # whatever has a shape and a dtype, or is one number
    Prior = Any

type Number = Float[Array, ""] | float  # a setting, traced where a law is compiled
type Same = Any  # of the kind that came in: a number, or an array of NumPy's or JAX's
type Key = Any  # of JAX's random numbers; NumPyro takes None too, and refuses it
type Params = Mapping[str, Float[Array, "..."]]  # one draw of a law's unknowns
type Derived = dict[str, Float[Array, "..."]]  # what follows from them, by name
type Inputs = Mapping[str, Real[Array, "*#runs"]]  # columns of the runs, by our names

SHARED = "shared"  # the input that numbers which runs share a part of their scatter


class Kind(StrEnum):
    """What a response is a measurement of."""

    LOSS = "loss"
    OPTIMUM = "optimum"  # tokens, or parameters and tokens, that are best for a budget
    ACCURACY = "accuracy"  # a fraction, of which more is better
    METRIC = "metric"  # a fraction, of which less is better
    NLL = "nll"  # negative log-likelihood of a task
    TASK = "task"  # a task's negative log-likelihood and the accuracy that follows
    COUNTS = "counts"  # successes among samples
    DISTANCE = "distance"  # between made and real pictures, such as FID


@dataclass(frozen=True)
class Response:
    """What was measured of a run, and on which scale laws and noises speak of it."""

    name: str  # the observed variable in ArviZ's groups
    columns: tuple[str, ...]  # table columns that hold it
    unit: str
    link: Callable[..., np.ndarray]  # columns to the scale of `expected`
    unlink: Callable[[np.ndarray], tuple[np.ndarray, ...]]  # and back
    kind: Kind
    lower: float = -np.inf  # allowed values of each column, bounds excluded ...
    upper: float = np.inf
    closed: bool = False  # ... unless closed
    whole: bool = False
    scatter: float = 0.01  # typical scatter on that scale, the centre of a prior
    noise: str = "student_t"  # the likelihood unless another is named
    own_noise: bool = False  # whether it takes no other
    logged: bool = False  # whether the scale is the log of its one column
    rising: bool = False  # whether more is better
    parts: tuple[
        "Response", ...
    ] = ()  # of its columns, where they are of several kinds

    @property
    def fraction(self) -> bool:
        """Whether it lies between zero and one, or a part of it does."""
        return self.kind in (Kind.ACCURACY, Kind.METRIC, Kind.TASK)

    @property
    def log_loss(self) -> bool:
        """Whether it is a loss on its log scale, which is above zero."""
        return self.kind is Kind.LOSS and self.logged

    @property
    def tokens_only(self) -> bool:
        """Whether it is the best tokens of a budget, whose parameters follow."""
        return self.kind is Kind.OPTIMUM and len(self.columns) == 1

    def of(self, column: str) -> "Response":
        """What one of the columns holds by itself."""
        matching = (part for part in self.parts if column in part.columns)
        return next(matching, self)


@runtime_checkable
class Law(Protocol):
    """How a response follows from the inputs, written for one draw of the unknowns."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Columns the formula reads."""
        ...

    @property
    def response(self) -> Response:
        """What it predicts."""
        ...

    def priors(self) -> dict[str, Prior]:
        """Priors by name; they may depend on the design, never on the response."""
        ...

    def expected(self, params: Params, x: Inputs) -> Float[Array, "*runs"]:
        """Location of the response of each run, on the response's scale.

        A response of several columns has them in a last axis of its own.
        """
        ...


class ShippedLaw(Law, Protocol):
    """A law of `nstar.laws.LAWS`, which commands explain and tests try."""

    @property
    def words(self) -> Mapping[str, str]:
        """What its unknowns and derived numbers are, by name."""
        ...

    @property
    def example(self) -> Inputs:
        """Inputs of a small design, with what its noise reads."""
        ...


def of_profiles(law: Law) -> bool:
    """Whether a law is of isoFLOP profiles: runs in groups of one budget each."""
    return "budget" in law.inputs


@runtime_checkable
class Centred(Protocol):
    """A law or a noise whose unknowns live at a reference run taken from the design."""

    def at(self, x: Inputs, cost: "Cost") -> Any:
        """Return it with its reference at, say, the centre of these runs."""
        ...


@runtime_checkable
class Reads(Protocol):
    """A noise that depends on what the runs were, not only on what the law says of them."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Columns it reads."""
        ...


@runtime_checkable
class Surface(Protocol):
    """A law that knows the loss of any run (N, D)."""

    def loss(
        self, params: Params, N: Float[Array, "*#runs"], D: Float[Array, "*#runs"]
    ) -> Float[Array, "*runs"]:
        """Loss of a run of N parameters on D tokens, without run noise."""
        ...


@runtime_checkable
class Floored(Surface, Protocol):
    """A surface with a loss that no size and no data removes."""

    def floor(self, params: Params) -> Float[Array, "..."]:
        """E, the irreducible loss."""
        ...


@runtime_checkable
class Extended(Surface, Protocol):
    """A surface that reads more of a run than N, D and C."""

    def usual(self, N: Float[Array, "*#runs"], D: Float[Array, "*#runs"]) -> Inputs:
        """Inputs of a run (N, D) that is in all else as the law's reference."""
        ...


@runtime_checkable
class Repeating(Surface, Protocol):
    """A surface that knows what tokens seen again are worth; a dataclass."""

    @property
    def supply(self) -> float:
        """Unique tokens there are: more of them are seen again."""
        ...


@runtime_checkable
class Tunable(Surface, Protocol):
    """A surface that knows the best learning rate and batch of a run."""

    def best(
        self, params: Params, N: Float[Array, "*#runs"], D: Float[Array, "*#runs"]
    ) -> tuple[Float[Array, "*#runs"], Float[Array, "*#runs"]]:
        """Best learning rate and batch of a run of N parameters on D tokens."""
        ...

    def excess(self, params: Params, x: Inputs) -> Float[Array, "*runs"]:
        """Log of each run's loss over that of a tuned run."""
        ...


@runtime_checkable
class Varying(Protocol):
    """A surface whose budgets scatter about its trend."""

    def draw_expected(
        self,
        key: Key,
        params: Params,
        N: Float[Array, "*#runs"],
        D: Float[Array, "*#runs"],
    ) -> Float[Array, "*runs"]:
        """Expected response of runs of new budgets, each budget scattered anew."""
        ...


@runtime_checkable
class Allocation(Protocol):
    """A law that knows the compute-optimal run of a budget."""

    def log_optimum(
        self, params: Params, C: Float[Array, "*#budgets"]
    ) -> tuple[Float[Array, "*budgets"], Float[Array, "*budgets"]]:
        """Natural logs of N*(C) and D*(C): the law's line, without scatter."""
        ...


@runtime_checkable
class Scattered(Protocol):
    """An allocation law that also knows how measured optima scatter about its line."""

    def probes(self, C: Float[np.ndarray, " budgets"]) -> Inputs:
        """Inputs of what is measured of new budgets, (budget, ...), that noise reads."""
        ...

    def off_line(
        self,
        params: Mapping[str, np.ndarray],
        C: Float[np.ndarray, " budgets"],
        noise: Float[np.ndarray, "draws budgets ..."],
        random: np.random.Generator,
    ) -> tuple[Float[np.ndarray, "draws budgets"], Float[np.ndarray, "draws budgets"]]:
        """How far from its line the optimum of each new budget would be measured.

        Args:
            params: unknowns of each draw, (draw, 1) each.
            C: budgets, (budget,).
            noise: draws of the noise at the probes, (draw, budget, ...).
            random: of all other scatter.

        Returns:
            Of log N* and of log D*, (draw, budget) each.
        """
        ...


@runtime_checkable
class AcrossModels(Protocol):
    """A law of counts of several models, whose populations move with one of their inputs."""

    @property
    def by(self) -> str:
        """Column that the populations move with."""
        ...

    @property
    def sizes(self) -> tuple[float, ...]:
        """Values of that column of the fitted models, each once."""
        ...

    def around(
        self,
        params: Params,
        size: Float[Array, "*#models"],
        ease: Float[Array, "*#models"],
        tail: Float[Array, "*#models"],
    ) -> Float[Array, "*models population"]:
        """Population of a model of this size, with its offsets from the line."""
        ...


@runtime_checkable
class Derives(Protocol):
    """A law with numbers people know it by, besides its unknowns."""

    def derived(self, params: Params) -> Derived:
        """Return quantities computed from the unknowns, by the field's names."""
        ...


@runtime_checkable
class Labelled(Protocol):
    """A law with unknowns that are arrays, such as one for each budget."""

    def labels(self) -> tuple[dict[str, list], dict[str, list[str]]]:
        """Coordinates by dimension, and dimensions by unknown."""
        ...


@runtime_checkable
class Marginalisable(Protocol):
    """A law whose many weights act on the runs only through a few linear combinations.

    It is sampled as another law, in which the weights are marginalised.
    """

    def marginalise(
        self, x: Inputs, linearisation: Any = None, rank: int = 0
    ) -> tuple[Any, Inputs]:
        """Return the marginalised law that is sampled, and its inputs.

        Args:
            x: inputs of the runs, (run,) each.
            linearisation: of the law about a mode, from `Reparameterised.linearise`;
                a first guess is made from the design where there is none.
            rank: least number of coordinates that are kept of the weights.
        """
        ...

    def draw_conditional(
        self, random: np.random.Generator, sampled_law: Any, params: Params, x: Inputs
    ) -> dict[str, Array]:
        """Draw this law's unknowns given draws of the marginalised law's, (draw, ...)."""
        ...


@runtime_checkable
class Reparameterised(Law, Protocol):
    """A law whose unknowns are sampled as distances from their conditional centre.

    Given the other unknowns, the runs about determine some of them, on the real line. The
    sampler moves in the distance from that centre, in units of the conditional width
    (conditional centring), so that it meets no funnel.
    """

    @property
    def reparameterised(self) -> tuple[str, ...]:
        """Names of the unknowns that are centred; empty where there are none."""
        ...

    def condition(self, params: Params) -> Any:
        """Return the law with all that depends on the other unknowns alone worked out."""
        ...

    def reparameterise(
        self, u: Params, constrain: Callable[[Params], Params], x: Inputs, y: Array
    ) -> tuple[Any, dict[str, Array], Array]:
        """Map the sampler's coordinates to unknowns on the real line.

        Args:
            u: the sampler's coordinates; those of unknowns that are not centred are
                already on the real line.
            constrain: maps unknowns from the real line to their own supports.
            x: inputs of the runs, (run,) each.
            y: responses, (run,).

        Returns:
            The law conditioned on the unknowns, the unknowns on the real line, and the
            log of the Jacobian's determinant of the map.
        """
        ...

    def linearise(
        self,
        u: Params,
        constrain: Callable[[Params], Params],
        likelihood: Callable[[Array, Params], Array],
        x: Inputs,
        y: Array,
        draws: Params,
    ) -> Any:
        """Linearise the law about unknowns `u` on the real line.

        Returns:
            What `Marginalisable.marginalise` takes as `linearisation`, or None where it
            needs none.
        """
        ...


@runtime_checkable
class Prepared(Protocol):
    """A law that can do some of its work on the runs once, before they are fitted."""

    def prepared(self, x: Inputs) -> Any:
        """Return something whose `expected` is the law's own, for these runs."""
        ...


@runtime_checkable
class Noise(Protocol):
    """A likelihood for a response."""

    def priors(self, response: Response) -> dict[str, Prior]:
        """Priors of the scatter of this response."""
        ...

    def around(self, expected: Float[Array, "*runs"], params: Params, x: Inputs) -> Any:
        """Return the distribution of the response about its expectation."""
        ...


@runtime_checkable
class Particular(Protocol):
    """A noise that is not of every response."""

    def refusal(self, law: Law) -> str:
        """Say why it is not of a law's response; empty where it is."""
        ...


@runtime_checkable
class PreparedNoise(Protocol):
    """A noise that can do some of its work on the runs once, before they are fitted."""

    def prepared(self, x: Inputs, y: Array) -> Any:
        """Return something whose `around` is the noise's own, for these responses."""
        ...


@runtime_checkable
class Sharing(Noise, Protocol):
    """A noise with a part that several runs share."""

    @property
    def over(self) -> str:
        """Column that names who shares it; empty where inputs say so."""
        ...

    def shared(self, runs: Any, law: Law) -> Float[np.ndarray, " runs"]:
        """Number which runs share it, (run,): what `around` reads as the input SHARED."""
        ...


@runtime_checkable
class Cost(Protocol):
    """Training FLOP of a run of N parameters on D tokens."""

    def flop(self, N: Array | float, D: Array | float) -> Same:
        """FLOP of a run."""
        ...

    def tokens(self, N: Array | float, C: Array | float) -> Same:
        """Tokens that a budget of C FLOP buys at N parameters."""
        ...

    def params(self, D: Array | float, C: Array | float) -> Same:
        """Parameters that a budget of C FLOP buys at D tokens."""
        ...
