"""Strategies known by fitted curves: longer answers, streams, visual tokens."""

from dataclasses import dataclass, replace

import numpy as np

from nstar.costs.inference import Serving
from nstar.fits.fitting import Fit
from nstar.inference.problem_sets import Curve, ProblemSet, thin_draws
from nstar.inference.strategies import Outcome, Strategy


@dataclass(frozen=True)
class LongerAnswers:
    """One answer of T tokens, thought through at a stretch or by revising in turn.

    Accuracy is that of a fitted token_budget curve of the model on these problems;
    decoding costs by the token, attention to all before it where the shape is known.
    """

    name: str = "token budget"
    unit: str = "tokens"
    amounts: tuple[float, ...] = tuple(256.0 * 2**i for i in range(9))

    def suits(self, problems: ProblemSet) -> bool:
        """Whether the problems are a curve of tokens."""
        return isinstance(problems, Curve) and problems.inputs == ("T",)

    def answer(self, model: Serving, problems: ProblemSet, amount: float) -> Outcome:
        """Answer every problem in so many tokens."""
        assert isinstance(problems, Curve)  # noqa: S101  as `suits` says
        cost = replace(model, tokens=amount).flop(1)
        return Outcome(problems.accuracy({"T": amount}), float(cost))


@dataclass(frozen=True)
class Streams:
    """P streams at once are as good as a model of N (k ln P + 1) parameters (ParScale).

    (Chen et al. 2025, arXiv:2505.10475.)  How accuracy grows with N is a curve of the
    problems; every stream is a forward pass of its own, so P of them cost P times as
    much, though hardly more memory traffic.
    """

    worth: Fit | float = 0.33  # k, or a fit of the parallel law; printed for text
    name: str = "parallel streams"
    unit: str = "streams"
    amounts: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0)

    def suits(self, problems: ProblemSet) -> bool:
        """Whether the problems are a curve of sizes."""
        return isinstance(problems, Curve) and problems.inputs == ("N",)

    def answer(self, model: Serving, problems: ProblemSet, amount: float) -> Outcome:
        """Answer every problem once, in so many streams."""
        assert isinstance(problems, Curve)  # noqa: S101  as `suits` says
        k: np.ndarray | float = (
            self.worth
            if not isinstance(self.worth, Fit)
            else thin_draws(self.worth.draws["stream_worth"])
        )
        as_large = model.N * (k * np.log(amount) + 1)
        return Outcome(
            problems.accuracy({"N": as_large}), amount * float(model.flop(1))
        )


@dataclass(frozen=True)
class VisualTokens:
    """One answer to a picture encoded in T visual tokens, which are read with the prompt.

    Accuracy is one less the error of a fitted visual_tokens law at the model's size.
    """

    name: str = "visual tokens"
    unit: str = "visual tokens"
    amounts: tuple[float, ...] = (1.0, 4.0, 16.0, 36.0, 64.0, 144.0, 256.0, 576.0)

    def suits(self, problems: ProblemSet) -> bool:
        """Whether the problems are a curve of sizes and visual tokens."""
        return isinstance(problems, Curve) and problems.inputs == ("N", "T")

    def answer(self, model: Serving, problems: ProblemSet, amount: float) -> Outcome:
        """Answer every problem with pictures of so many tokens."""
        assert isinstance(problems, Curve)  # noqa: S101  as `suits` says
        cost = replace(model, prompt=model.prompt + amount).flop(1)
        return Outcome(problems.accuracy({"N": model.N, "T": amount}), float(cost))


CURVE_STRATEGIES: dict[str, Strategy] = {
    "tokens": LongerAnswers(),
    "streams": Streams(),
    "visual_tokens": VisualTokens(),
}
