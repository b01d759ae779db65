"""The mixture of data to train on, and how sure that is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nstar.answers import Answer, Document, Table
from nstar.intervals import interval
from nstar.mixtures import limits
from nstar.mixtures.choosing import CHOSEN, MEASURED, TODAY, Choice, choose
from nstar.mixtures.fitting import SURFACES
from nstar.mixtures.laws import USUAL
from nstar.mixtures.reading import Mixtures
from nstar.verdicts import Check, Status
from nstar.wording import count, digits, listed, numbers, percent

DIFFERS = 0.02  # share of the data from which two mixtures are different in a sentence
NAMED = 6  # domains that a sentence names
FAR_QUANTILE = (
    0.75  # of the runs' own distances, beyond which a mixture is far from them
)
SCALE_FAR = 3.0  # times the largest size measured from which it is far
POINTS = 400  # measured against predicted, of the figure


@dataclass(frozen=True)
class Mix(Answer):
    """The mixture of least expected loss, its regret, and credible sets of its shares."""

    records_key = "domains"

    choice: Choice

    def as_json(self, prob: float = 0.9) -> Document:
        """Plain data."""
        c = self.choice
        shares, now = c.pool[0], c.mixtures.get(TODAY)
        return {
            "target": c.target.text,
            "weights": dict(zip(c.target.losses, c.target.weights, strict=True)),
            "worst": c.target.worst,
            "N": None if np.isnan(c.N) else c.N,
            "D": None if np.isnan(c.D) else c.D,
            "law": c.fit.law,
            "regret": float(c.regret.mean()),
            "regret_interval": interval(c.regret, prob).as_json(),
            "run_noise": c.scatter,
            "distance": c.distance,
            "within": c.within,
            "domains": [
                {
                    "domain": name,
                    "share": float(shares[i]),
                    "credible": interval(c.best[:, i], prob).as_json(),
                    "today": None if now is None else float(now[i]),
                    "without": interval(c.without[:, i], prob).as_json(),
                    "double": interval(c.double[:, i], prob).as_json(),
                    "matters": bool(self.matters[i]),
                    "least": float(c.bounds.low[i]),
                    "most": float(c.bounds.high[i]),
                    "repeats": self._repeats(i),
                }
                for i, name in enumerate(c.runs.domains)
            ],
            "mixtures": {
                name: {
                    "shares": dict(
                        zip(c.runs.domains, c.mixtures[name].tolist(), strict=True)
                    ),
                    "target": interval(c.targets[name], prob).as_json(),
                    "losses": {
                        loss: interval(drawn[:, k], prob).as_json()
                        for k, loss in enumerate(c.target.losses)
                    },
                }
                for name, drawn in c.losses.items()
            },
            "gains": {
                name: interval(c.targets[name] - c.targets[CHOSEN], prob).as_json()
                for name in c.targets
                if name != CHOSEN
            },
            "distance_from_today": None
            if now is None
            else float(np.abs(shares - now).sum() / 2),
            "next_runs": [
                {
                    "N": None if np.isnan(c.proxy_N) else c.proxy_N,
                    "shares": dict(
                        zip(c.runs.domains, run.shares.tolist(), strict=True)
                    ),
                    "variance_left": run.left,
                }
                for run in c.next_runs
            ],
            "points": self._points(),
        }

    @property
    def matters(self) -> Float[np.ndarray, " domain"]:
        """Whether a share's going or doubling moves the target by a run's scatter."""
        c = self.choice
        moved = [np.abs(change.mean(axis=0)) for change in (c.without, c.double)]
        return np.maximum(*moved) > c.scatter

    def _repeats(self, i: int) -> float | None:
        """Times that the tokens there are of a domain are repeated."""
        c = self.choice
        there = c.bounds.available[i]
        return float(c.pool[0, i] * c.D / there) if np.isfinite(there) else None

    def _points(self) -> list[Document]:
        """Losses as measured, and as the other runs predict them, for the figure."""
        points = []
        for loss, surfaces in zip(
            self.choice.fit.losses, self.choice.fit.surfaces, strict=True
        ):
            both = np.exp(surfaces[0].left_out())
            every = max(1, both.shape[1] * len(self.choice.fit.losses) // POINTS)
            points += [
                {"loss": loss, "measured": float(y), "predicted": float(p)}
                for y, p in both[:, ::every].T
            ]
        return points

    def checks(self) -> list[Check]:
        """Check how far the choice lies from the runs, and what of it is the prior's."""
        c = self.choice
        checks = [self._near(), *self._sizes()]
        least = min(s[0].effective for s in c.fit.surfaces)
        if least < SURFACES:
            detail = f"the weights of the hyperparameters of a loss are worth {least:.0f} draws, where {SURFACES} are taken: its intervals are rough; give more runs, or see what another --law says"
            checks.append(Check("draws", Status.REVIEW, detail))
        outliers = max(int(s[0].outliers.sum()) for s in c.fit.surfaces)
        if outliers:
            detail = f"up to {outliers} rows of a loss lie far from where all others put them, and weigh less"
            checks.append(Check("odd runs", Status.PASS, detail))
        on_limit = [
            name
            for i, name in enumerate(c.runs.domains)
            if c.pool[0, i] > c.bounds.high[i] - 1e-4
            and c.bounds.high[i] < 1
            and c.bounds.high[i] > 0
        ]
        if on_limit:
            detail = f"{listed(on_limit, NAMED)} at the largest share that limits or the runs allow: a larger one was not weighed"
            checks.append(Check("shares at a limit", Status.REVIEW, detail))
        repeated = [
            i for i in range(len(c.runs.domains)) if (self._repeats(i) or 0) > 1
        ]
        if repeated:
            most = max(self._repeats(i) or 0 for i in repeated)
            name = listed([c.runs.domains[i] for i in repeated], NAMED)
            over = most > limits.ONE_SOURCE
            detail = f"tokens of {name} are repeated, up to {digits(most, 2)} times, which the runs do not show: scarce data in a mixture is reported to bear 15 to 20 repeats (arXiv:2605.12715), a single source about 4"
            if over:
                detail += "; set --max-repeats 4 to be careful"
            status = Status.REVIEW if over else Status.PASS
            checks.append(Check("repeats", status, detail))
        return [*checks, *c.runs.checks()]

    def _near(self) -> Check:
        c = self.choice
        usual = float(np.quantile(c.usual, FAR_QUANTILE))
        far = c.distance > usual
        detail = f"{percent(round(c.distance, 3))} of the data differs from the nearest mixture that was run (those differ by {percent(round(float(np.median(c.usual)), 3))} from one another)"
        if far:
            detail += ": make a run of it before it is relied on, or set --within lower"
        return Check(
            "distance from the runs", Status.REVIEW if far else Status.PASS, detail
        )

    def _sizes(self) -> Iterator[Check]:
        c = self.choice
        if np.isnan(c.N):
            return
        sizes = np.unique(c.runs.N[np.isfinite(c.runs.N)])
        if len(sizes) and sizes[-1] < c.N:
            times = c.N / sizes[-1]
            detail = (
                f"{count(c.N)} is {digits(times, 2)} times the largest size of the runs"
            )
            if len(sizes) == 1:
                detail += "; they are of one size, so how losses fall with size and how far the ranking of mixtures changes are the prior's alone: run a few mixtures at a second size"
            elif times > SCALE_FAR:
                detail += (
                    ": losses' levels are uncertain, the ranking of mixtures less so"
                )
            far = times > SCALE_FAR or len(sizes) == 1
            yield Check("size", Status.REVIEW if far else Status.PASS, detail)
        if np.isfinite(c.D) and not np.isfinite(c.runs.D).any():
            detail = "the table has no tokens: D counts for available tokens alone"
            yield Check("tokens", Status.PASS, detail)

    def headline(self, prob: float = 0.9) -> str:
        """The mixture, what it reaches and what choosing it may cost."""
        c = self.choice
        order = np.argsort(-c.pool[0])
        named = [
            f"{c.runs.domains[i]} {percent(round(float(c.pool[0, i]), 3))}"
            for i in order[:NAMED]
            if c.pool[0, i] >= DIFFERS / 2
        ]
        size = "" if np.isnan(c.N) else f" at {count(c.N)}"
        reached = numbers(interval(c.targets[CHOSEN], prob), 4)
        sentence = (
            f"For {c.target.text}{size}: {', '.join(named)}; loss {reached} "
            f"(median [{percent(prob)} credible interval]), expected regret {digits(float(c.regret.mean()), 2)}"
        )
        other = TODAY if TODAY in c.targets else MEASURED
        than = "today's mixture" if other == TODAY else "the best mixture that was run"
        if np.array_equal(c.mixtures[other], c.mixtures[CHOSEN]):
            return f"{sentence}; it is {than}."
        gain = c.targets[other] - c.targets[CHOSEN]
        side = "lower" if np.median(gain) >= 0 else "higher"
        by = gain if side == "lower" else -gain
        return f"{sentence}; {numbers(interval(by, prob), 2)} {side} than {than}."

    def tables(self, prob: float = 0.9) -> Iterator[Table | str]:
        """Shares, losses of the mixtures compared, and runs to make next."""
        document = self.as_json(prob)
        c = self.choice
        now = TODAY in c.mixtures
        rows = sorted(document["domains"], key=lambda row: -row["share"])
        yield Table(
            f"Shares of the mixture; [{percent(prob)} credible set] over draws' own best mixtures; change of the loss without a domain and with twice its share",
            [
                "domain",
                "share",
                "credible set",
                *(["today"] if now else []),
                "without",
                "twice",
                "repeats",
            ],
            [
                [
                    row["domain"]
                    if row["matters"]
                    else f"{row['domain']} (matters little)",
                    f"{row['share']:.3f}",
                    f"[{row['credible']['lower']:.3f}, {row['credible']['upper']:.3f}]",
                    *([f"{row['today']:.3f}"] if now else []),
                    numbers(row["without"], 2),
                    numbers(row["double"], 2),
                    "" if row["repeats"] is None else digits(row["repeats"], 2),
                ]
                for row in rows
            ],
        )
        little = [row["domain"] for row in rows if not row["matters"]]
        if little:
            yield f"Leaving out or doubling {listed(little, 20)} moves the loss by less than one run's scatter, {digits(c.scatter, 2)}."
        names = list(document["mixtures"])
        of_target = [f"target: {c.target.text}"]
        of_target += [numbers(document["mixtures"][n]["target"], 4) for n in names]
        yield Table(
            f"Losses; median [{percent(prob)} credible interval]",
            ["loss", *names],
            [
                [
                    loss,
                    *(
                        numbers(document["mixtures"][n]["losses"][loss], 4)
                        for n in names
                    ),
                ]
                for loss in c.target.losses
            ]
            + [of_target] * (c.target.losses != (c.target.text,)),
        )
        if now:
            yield f"{percent(round(document['distance_from_today'], 3))} of the data differs from today's mixture."
        if c.next_runs:
            size = "" if np.isnan(c.proxy_N) else f" of {count(c.proxy_N)}"
            yield Table(
                f"Proxy runs{size} to make next, and the share of the choice's variance left after each",
                ["mixture", "variance left"],
                [
                    [
                        _brief(dict(zip(c.runs.domains, run.shares, strict=True))),
                        percent(round(run.left, 2)),
                    ]
                    for run in c.next_runs
                ],
            )


def _brief(shares: Mapping[str, float]) -> str:
    """Write a mixture's larger shares."""
    order = sorted(shares.items(), key=lambda pair: -pair[1])
    parts = [f"{name} {share:.3f}" for name, share in order if share >= 0.0005]
    return ", ".join(parts)


def mix(
    runs: Mixtures,
    target: str = "mean",
    N: float | None = None,
    D: float | None = None,
    *,
    limit: Sequence[str] = (),
    available: Mapping[str, float] | None = None,
    max_repeats: Mapping[str, float] | None = None,
    today: Mapping[str, float] | None = None,
    within: float | None = None,
    next_runs: int = 3,
    law: str = USUAL,
    seed: int = 0,
) -> Mix:
    """Fit the losses of runs on mixtures, and choose the mixture of least expected loss.

    Args:
        runs: as `read_mixtures` reads them.
        target: a loss, a weighted sum such as `0.5*pile_cc+0.5*github`, `mean`, `worst`.
        N: parameters of the model it is for; the largest of the table unless given.
        D: its tokens; the table's for its largest unless given.
        limit: bounds of shares, as in `github<=0.2`.
        available: tokens there are, by domain.
        max_repeats: times that they may be repeated, by domain; `""` is all others.
        today: shares of today's mixture, by domain.
        within: greatest distance to a measured mixture, a share of the data; what the
            runs have among themselves unless given.
        next_runs: how many proxy runs to name.
        law: name of the mixture law.
        seed: of the draws.

    Returns:
        The mixture with its headline, checks, tables and figure.

    Raises:
        ValueError: a name is none of the table's, or limits leave no mixture.

    Examples:
        >>> runs = nstar.read_mixtures("proxies.csv")  # doctest: +SKIP
        >>> nstar.mix(runs, "0.5*pile_cc+0.5*github", 1e9)  # doctest: +SKIP
    """
    return Mix(
        choose(
            runs,
            target,
            N,
            D,
            limit=limit,
            available=available,
            max_repeats=max_repeats,
            today=today,
            within=within,
            next_runs=next_runs,
            law=law,
            seed=seed,
        )
    )
