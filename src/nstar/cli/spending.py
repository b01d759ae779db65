"""The command that chooses model and strategy for inference: spend."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nstar.cli import options as o
from nstar.cli.answering import print_answer
from nstar.cli.sampling import numbers
from nstar.cli.source import remark, use_cache

if TYPE_CHECKING:
    from nstar.inference.spending import Spent


@o.command(
    "nstar spend 8B=counts8.csv 70B=counts70.csv --tokens 500 --budget 8e14 --against 8B@100,70B@1"
)
def spend(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="SIZE=TABLE...",
            help="A model's size and its counts (samples, successes) or accuracies by tokens (T, accuracy): 8B=counts.csv, ours@8B=counts.csv. A table alone is parted by its column N.",
        ),
    ],
    tokens: Annotated[
        str,
        typer.Option(
            "--tokens",
            metavar="T",
            help="Tokens generated in a sample: 500, or by model 8B=480,70B=300.",
        ),
    ],
    output: o.Output,
    budget: Annotated[
        float | None,
        typer.Option("--budget", metavar="FLOP", help="FLOP that a problem may cost."),
    ] = None,
    target_accuracy: Annotated[
        float | None,
        typer.Option(
            "--target-accuracy", metavar="SHARE", help="The accuracy to reach."
        ),
    ] = None,
    chance: Annotated[
        float,
        o.chance("With which it is to be reached."),
    ] = 0.9,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="M@K,M@K",
            help="Two models and samples to hold against each other: 8B@100,70B@1.",
        ),
    ] = None,
    strategy: Annotated[
        str | None,
        typer.Option(
            "--strategy",
            metavar="NAME,...",
            help="Of single, greedy, majority, weighted, best_of_n, oracle (a perfect verifier), tokens; all that suit unless given.",
        ),
    ] = None,
    samples: Annotated[
        str | None,
        typer.Option(
            "--samples",
            metavar="K,...",
            help="Samples of a problem that are tried; powers of two to 1024 unless given.",
        ),
    ] = None,
    prompt: Annotated[
        float,
        typer.Option("--prompt", metavar="T", help="Tokens of a problem, read once."),
    ] = 0.0,
    verifier: Annotated[
        str | None,
        typer.Option(
            "--verifier",
            metavar="N",
            help="Parameters of a verifier that reads every sample: 7B.",
        ),
    ] = None,
    rival: Annotated[
        float,
        typer.Option(
            "--rival",
            metavar="SHARE",
            help="Share of the wrong samples that give one and the same answer, which counts do not tell.",
        ),
    ] = 0.4,
    new: Annotated[
        int | None,
        typer.Option(
            "--new",
            metavar="COUNT",
            help="So many new problems, in place of those counted.",
        ),
    ] = None,
    figure: Annotated[
        str | None,
        typer.Option(
            "--figure",
            metavar="FILE",
            help="Draw accuracy against FLOP (.svg, .png, .pdf).",
        ),
    ] = None,
    columns: o.Columns = None,
    where: o.Where = None,
    seed: o.Seed = None,
    cache: o.Cache = True,
) -> None:
    """Choose model, strategy and samples for a problem's FLOP."""
    for option, value in (
        ("--prob", output.prob),
        ("--chance", chance),
        *(
            (("--target-accuracy", target_accuracy),)
            if target_accuracy is not None
            else ()
        ),
    ):
        o.require_prob(value, option)
    o.require_positive("--budget", [budget] if budget is not None else [], "8e14")
    kind = o.figure_kind(figure)
    duel = _duel(against) if against else None
    from nstar.runs.sources import require_source

    for text in models:
        _, _, source = text.rpartition("=")
        require_source(source)
    from nstar.inference.spending import ALL, Option
    from nstar.inference.spending import spend as work_out
    from nstar.inference.strategies import SAMPLES

    sample_counts = set(numbers(samples, "--samples")) if samples else set(SAMPLES)
    sample_counts |= {k for _, k in duel or ()}
    chosen = [part.strip() for part in strategy.split(",")] if strategy else list(ALL)
    if strange := [name for name in chosen if name not in ALL]:
        msg = f"--strategy {strange[0]}: there are {', '.join(ALL)}"
        raise ValueError(msg)
    tables = _tables(models, columns, where or ())
    if duel and (unknown := [m for m, _ in duel if m not in tables]):
        msg = f"--against {against}: no model {unknown[0]!r}; there are {', '.join(tables)}"
        raise ValueError(msg)
    sample_tokens = lengths(tokens, list(tables))
    if cache:
        use_cache()
    from nstar.amounts import parse_amount
    from nstar.costs.inference import Serving
    from nstar.inference.contenders import contender
    from nstar.validation.spending import Spending

    verifier_size = parse_amount(verifier, "--verifier") if verifier else 0.0
    contenders = []
    for name, (size, runs) in tables.items():
        remark(f"model {name}: {len(runs)} rows of {runs.source}")
        serving = Serving(size, sample_tokens[name], prompt, verifier=verifier_size)
        contenders.append(
            contender(name, runs, serving, rival=rival, new=new, seed=seed or 0)
        )
    spent = work_out(
        {c.name: Option(c.problems, c.serving) for c in contenders},
        chosen,
        {"samples": sorted(sample_counts)},
    )
    if figure:
        _draw(figure, spent, output.prob, kind)
    answer = Spending(
        contenders,
        spent,
        budget,
        target_accuracy,
        chance,
        duel,
        prompt,
        rival,
        new,
        seed or 0,
    )
    print_answer(answer, answer.checks(), output)


def _duel(text: str) -> tuple[tuple[str, float], tuple[str, float]]:
    """Read 8B@100,70B@1."""
    parts = [part.strip().rpartition("@") for part in text.split(",")]
    if len(parts) != 2 or not all(name for name, _, _ in parts):
        msg = f"--against {text!r}: expected two models and their samples, as in 8B@100,70B@1"
        raise ValueError(msg)
    (first, _, k), (second, _, j) = parts
    return (first, numbers(k, "--against")[0]), (second, numbers(j, "--against")[0])


def _tables(
    models: list[str], columns: str | None, where: Any
) -> dict[str, tuple[float, Any]]:
    """Read each model's table; return its size and rows by name."""
    from nstar.amounts import parse_amount
    from nstar.inference.contenders import by_size, require_size
    from nstar.runs.reading import read_runs

    named = o.columns(columns, "samples=n,successes=c")
    tables: dict[str, tuple[float, Any]] = {}
    for text in models:
        name, equals, source = text.partition("=")
        runs = read_runs(source if equals else text, named, list(where))
        label, _, size = name.rpartition("@")
        models_of = (
            {label or name: (parse_amount(size, f"the model of {text!r}"), runs)}
            if equals
            else by_size(runs)
        )
        for model, rows in models_of.values():
            require_size(rows, model)
        if repeated := models_of.keys() & tables.keys():
            msg = f"model {min(repeated)} is given twice; name one, as in again@8B=counts.csv"
            raise ValueError(msg)
        tables |= models_of
    return tables


def lengths(text: str, names: list[str]) -> dict[str, float]:
    """Read the tokens of a sample, one number for all models or one each.

    Raises:
        ValueError: one is no positive number, or a model has none.
    """
    from nstar.amounts import parse_amount

    if "=" not in text:
        return dict.fromkeys(names, parse_amount(text, "--tokens"))
    by_model = o.pairs(text.split(","), "--tokens", "8B=480,70B=300")
    if set(by_model) != set(names):
        msg = f"--tokens {text!r}: expected one number, or one for each of {', '.join(names)}"
        raise ValueError(msg)
    return {name: parse_amount(value, "--tokens") for name, value in by_model.items()}


def _draw(path: str, spent: "Spent", prob: float, kind: str) -> None:
    from nstar.files.writing import write_atomically
    from nstar.report.frontier_figure import figure

    write_atomically(path, figure(spent, prob, kind))
