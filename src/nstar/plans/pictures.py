"""Size and visual tokens of a vision-language model at an inference budget."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nstar.answers import Answer, Document, Table
from nstar.fits.fitting import Fit
from nstar.intervals import credible_level, interval
from nstar.laws.visual_tokens import VisualTokens
from nstar.published import fits as published
from nstar.verdicts import Check, Status
from nstar.wording import count, digits, flop, numbers, percent, standing

PUBLISHED = "vlm_inference_llava"
MOST = 576.0  # visual tokens of a LLaVA picture that nothing compresses
EDGE = (
    0.5  # share of draws at an end from which the optimum is the limit's, not the runs'
)


@dataclass(frozen=True)
class Pictures(Answer):
    """The model and the visual tokens of least error for the FLOP of one answer."""

    records_key = "budgets"

    fit: Fit
    budgets: np.ndarray  # FLOP of an answer, (budget,)
    text: float  # tokens of text read with the picture
    most: float  # visual tokens of a picture that is not compressed
    N: Float[np.ndarray, "draw budget"]  # parameters of the language model
    T: Float[np.ndarray, "draw budget"]  # visual tokens
    error: Float[np.ndarray, "draw budget"]
    regret: np.ndarray  # mean error that the median choice gives away, (budget,)

    def as_json(self, prob: float = 0.9) -> Document:
        """Plain data."""
        budgets = [
            {
                "budget": float(budget),
                "N": interval(self.N[:, i], prob).as_json(),
                "T": interval(self.T[:, i], prob).as_json(),
                "error": interval(self.error[:, i], prob).as_json(),
                "regret": float(self.regret[i]),
                "one_token": float(np.mean(self.T[:, i] <= 1)),
                "every_token": float(np.mean(self.T[:, i] >= self.most)),
            }
            for i, budget in enumerate(self.budgets)
        ]
        printed = published.get(PUBLISHED).coefficients
        draws = self.fit.draws
        exponents = {
            name: {
                "ours": interval(draws[name], prob).as_json(),
                "published": float(printed[name]),
                "credible_level": credible_level(draws[name], float(printed[name])),
            }
            for name in ("alpha", "beta")
        }
        worth = interval(draws["alpha"] / draws["beta"], prob).as_json()
        return {"budgets": budgets, "exponents": exponents, "size_over_tokens": worth}

    def checks(self) -> list[Check]:
        """Check the sizes against those measured, and whether an end decides."""
        return [self._check_sizes(), self._check_ends()]

    def _check_sizes(self) -> Check:
        low, high = float(self.fit.runs["N"].min()), float(self.fit.runs["N"].max())
        median = np.median(self.N, axis=0)
        outside = [
            flop(budget)
            for budget, n in zip(self.budgets, median, strict=True)
            if not low <= n <= high
        ]
        detail = f"the models measured have {count(low)} to {count(high)} parameters"
        if outside:
            detail += f"; at {', '.join(outside)} the best is outside: measure a model there, or trust the form"
        return Check(
            "sizes measured", Status.REVIEW if outside else Status.PASS, detail
        )

    def _check_ends(self) -> Check:
        at_end = np.mean((self.T <= 1) | (self.most <= self.T), axis=0).max()
        detail = f"the best number of visual tokens is one, or all {self.most:.0f}, with probability {at_end:.2g}"
        if at_end > EDGE:
            detail += ": the limit decides, not the runs"
        status = Status.REVIEW if at_end > EDGE else Status.PASS
        return Check("visual tokens at an end", status, detail)

    def headline(self, prob: float = 0.9) -> str:
        """The choice at the largest budget."""
        record = max(self.as_json(prob)["budgets"], key=lambda r: r["budget"])
        return (
            f"With {flop(record['budget'])} FLOP an answer: a language model of "
            f"{numbers(record['N'])} parameters that reads {numbers(record['T'])} visual tokens, error "
            f"{numbers(record['error'])} (median [{percent(prob)} credible interval])."
        )

    def tables(self, prob: float = 0.9) -> Iterator[Table | str]:
        """Choices by budget, and the exponents beside those published."""
        document = self.as_json(prob)
        yield Table(
            f"Least error for the FLOP of an answer, {self.text:g} tokens of text read with the picture; median [{percent(prob)} equal-tailed credible interval]",
            ["FLOP", "parameters", "visual tokens", "error", "regret"],
            [
                [
                    flop(r["budget"]),
                    numbers(r["N"]),
                    numbers(r["T"]),
                    numbers(r["error"]),
                    digits(r["regret"], 2),
                ]
                for r in document["budgets"]
            ],
        )
        yield "Regret is the error that the median choice gives away on average, since the best one is not known exactly."
        e, worth = document["exponents"], document["size_over_tokens"]
        ratio = e["alpha"]["published"] / e["beta"]["published"]
        beside = " and ".join(
            f"{name} is {numbers(e[name]['ours'])}, where arXiv:2411.03312 prints, over nine tasks of reasoning, {e[name]['published']:g} ({standing(e[name]['credible_level'], prob)})"
            for name in ("alpha", "beta")
        )
        yield f"{beside}. A factor of size is worth {numbers(worth)} times as much as one of visual tokens, published {ratio:.1f}."


def require_tokens(text: float, most: float) -> None:
    """Refuse tokens that no answer has.

    Raises:
        ValueError: less than no text, or less than one visual token of a whole picture.
    """
    if not (np.isfinite(text) and text >= 0):
        msg = f"text: expected tokens of text, zero or more, got {text:g}"
        raise ValueError(msg)
    if not (np.isfinite(most) and most >= 1):
        msg = f"most: expected visual tokens of a whole picture, one or more, got {most:g}"
        raise ValueError(msg)


def choose_pictures(
    fit: Fit, budgets: Sequence[float], text: float = 50.0, most: float = MOST
) -> Pictures:
    r"""Find the size and the visual tokens of least error at an inference budget.

    An answer costs 2 N (Q + T) FLOP, with Q tokens of text and T of the picture.  Where
    size is worth more than tokens, the least error has

    $$ T = Q\,\frac{\beta}{\alpha - \beta}, \qquad N = \frac{F}{2\,(Q + T)} $$

    and else every token (Li et al. 2024, arXiv:2411.03312, sec. 4, find it on a grid);
    T stays between one token and `most`.

    Args:
        fit: a fit of the visual_tokens law; one group of it, where it is pooled.
        budgets: FLOP of one answer, prefill alone.
        text: tokens of text that are read with the picture; 0 where they are cached.
        most: visual tokens of a picture that is not compressed.

    Raises:
        ValueError: another law, or a number that is not positive.

    Example:
        >>> fit = nstar.fit(runs, "visual_tokens")
        >>> nstar.plans.pictures.choose_pictures(fit, [1e12]).headline()
    """
    law = fit.law
    if not isinstance(law, VisualTokens):
        msg = f"the {type(law).__name__} law reads no visual tokens; fit with --law visual_tokens"
        raise ValueError(msg)
    F = np.asarray(budgets, dtype=float)
    if not (F.size and np.all(np.isfinite(F)) and np.all(F > 0)):
        msg = f"budgets: expected FLOP of an answer above zero, got {list(budgets)}"
        raise ValueError(msg)
    require_tokens(text, most)
    alpha, beta = (np.asarray(fit.draws[name])[:, None] for name in ("alpha", "beta"))
    with np.errstate(divide="ignore", invalid="ignore"):
        inner = np.where(alpha > beta, text * beta / (alpha - beta), most)
    T = np.broadcast_to(np.clip(inner, 1.0, most), (len(alpha), F.size))
    N = F / (2 * (text + T))

    def error(N: np.ndarray, T: np.ndarray) -> np.ndarray:
        falling = (N / law.N0) ** -alpha * (T / law.T0) ** -beta
        level, share = (
            np.asarray(fit.draws[name])[:, None]
            for name in ("error", "error_floor_share")
        )
        return np.minimum(level * (share + (1 - share) * falling), 1.0)

    least = error(N, T)
    settled = np.median(T, axis=0)
    given_away = np.mean(error(F / (2 * (text + settled)), settled) - least, axis=0)
    return Pictures(fit, F, float(text), float(most), N, T, least, given_away)
