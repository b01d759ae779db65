"""Options that commands share."""

from typing import Annotated

import typer

Runs = Annotated[
    str,
    typer.Argument(
        help="CSV or Parquet file, name of a data set, or a saved fit (.nc)."
    ),
]
Law = Annotated[
    str | None,
    typer.Option("--law", help="allocation, allocation_free, isoflop or chinchilla."),
]
Noise = Annotated[
    str | None, typer.Option("--noise", help="student_t, normal or correlated.")
]
Priors = Annotated[
    list[str] | None,
    typer.Option(
        "--prior", help="A prior by name: alpha1='Normal(0.5, 0.05)'. Repeatable."
    ),
]
Columns = Annotated[
    str | None,
    typer.Option(
        "--columns", help="Our names to the table's: N=params,D=tokens,L=loss."
    ),
]
Where = Annotated[
    list[str] | None,
    typer.Option("--where", help="Keep rows: 'corpus=c4', 'C<=1e20'. Repeatable."),
]
FlopPer = Annotated[
    float,
    typer.Option("--flop-per-param-token", help="k of C = k N D."),
]
Counted = Annotated[
    str | None,
    typer.Option("--params-counted", help="total, non-embedding or unknown."),
]
Seed = Annotated[
    int, typer.Option("--seed", help="The same seed gives the same draws.")
]
Prob = Annotated[
    float, typer.Option("--prob", help="Probability of the credible intervals.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Out = Annotated[str | None, typer.Option("--out", "-o", help="Where to write.")]
Budgets = Annotated[
    list[float],
    typer.Option("--budget", "-C", help="Training FLOP, as in 3.8e25. Repeatable."),
]
Cache = Annotated[
    bool,
    typer.Option(
        "--cache/--no-cache", help="Keep compiled programs in the user's cache folder."
    ),
]
