"""A comparison of recipes in words and tables, from its document."""

from collections.abc import Iterator

from nstar.answers import Document, Table
from nstar.wording import count, flop, percent, share, three

PAIRS = 8  # that cannot be told apart, in a table
WORTH_A_WORD = 0.005  # share of draws, or of a budget, worth a word
AGAINST = -4.6  # log odds below which the runs speak against a floor: one in a hundred


def headline(document: Document) -> str:
    """The choice at the first budget, how sure it is, and how far the floor moves it."""
    at, base = document["budgets"][0], document["baseline"]
    others = [r for r in at["recipes"] if r["recipe"] != base]
    record = max(others, key=lambda r: r["chance_best"])
    name, chance = record["recipe"], record["chance_better"]
    moved = _moved(document, name, 0)
    words = f"at {flop(at['C'])} FLOP {base} would need {bounds(record['multiplier'])} times the compute for what {name} reaches; {name} is better with probability {chance:.2f}"
    if record["unbounded"] > WORTH_A_WORD:
        words += f"; with probability {share(record['unbounded'])} no compute would do"
    if moved is not None:
        words += f"; the floor moves this by {moved:.2g}"
    words += f"; {_next(at)}"
    if len(others) > 1:
        words += f"; of {len(others) + 1} recipes {at['choice']} is the one to choose"
    return words


def all_tables(document: Document) -> Iterator[Table | str]:
    """Multipliers and chances by budget; what cannot be told apart; what the floor does."""
    prob = percent(document["prob"])
    yield f"budgets are spent {document['path'].removeprefix('every recipe ')}; a multiplier above one is better than {document['baseline']}"
    for i, at in enumerate(document["budgets"]):
        yield _budget(at, prob)
        if at["undecided"]:
            yield _undecided(at)
        if any(r["wall_clock"] for r in at["recipes"]):
            yield _wall_clock(at, prob)
        yield _floors(document, i)
        if at["next"]:
            yield _runs(at)


def bounds(interval: Document) -> str:
    """Write a multiplier and its interval; a bound that does not exist is said."""
    middle, low, high = (
        "unbounded" if interval[n] is None else three(interval[n])
        for n in ("median", "lower", "upper")
    )
    return f"{middle} [{low}, {high}]"


def _budget(at: Document, prob: str) -> Table:
    header = (
        *("recipe", f"multiplier ({prob})", "better", "best", "rank", "regret: loss"),
        *("compute", "order changes", "decades beyond"),
    )
    rows = [
        [
            r["recipe"],
            bounds(r["multiplier"]),
            f"{r['chance_better']:.2f}",
            f"{r['chance_best']:.2f}",
            f"{r['rank']['median']:g} [{r['rank']['lower']:g}, {r['rank']['upper']:g}]",
            three(r["regret_loss"]),
            bounds(r["regret_compute"]),
            f"{r['order_changes']:.2f}",
            f"{r['decades_beyond_runs']:.1f}",
        ]
        for r in sorted(at["recipes"], key=lambda r: r["regret_loss"])
    ]
    return Table(f"{flop(at['C'])} FLOP: {at['choice']}", header, rows)


def _next(at: Document) -> str:
    """Say whether one more run is worth it for the choice."""
    if not at["next"]:
        return "no run that costs less than the budget is left to try"
    run = at["next"][0]
    if run["worth"]:
        what = f"one more run of {flop(run['C'])} of {' and '.join(run['recipes'])}"
        return f"{what} is worth it for the choice: it saves {share(run['saves'])} of the budget in expectation and costs {share(run['costs'])}"
    most = max(at["next"], key=lambda run: run["saves"])
    what = f"one more run of {flop(most['C'])} of {' and '.join(most['recipes'])}"
    if most["saves"] < WORTH_A_WORD:
        return f"{what} would not change the choice"
    return f"no one more run pays for the choice: {what} saves {share(most['saves'])} of the budget in expectation and costs {share(most['costs'])}"


def _runs(at: Document) -> Table:
    rows = [
        [
            " and ".join(run["recipes"]),
            flop(run["C"]),
            ", ".join(map(count, run["N"])),
            ", ".join(map(count, run["D"])),
            share(run["saves"]),
            share(run["costs"]),
        ]
        for run in at["next"][:PAIRS]
    ]
    header = ("run of", "FLOP each", "N", "D", "saves, of the budget", "costs")
    return Table("one more run, and the choice after it", header, rows)


def _undecided(at: Document) -> Table:
    rows = [
        [pair["a"], pair["b"], f"{pair['chance_a_better']:.2f}"]
        for pair in at["undecided"][:PAIRS]
    ]
    more = len(at["undecided"]) - PAIRS
    title = "the runs cannot tell apart" + (
        f" (and {more} more pairs)" if more > 0 else ""
    )
    return Table(title, ("a", "b", "chance that a is better"), rows)


def _wall_clock(at: Document, prob: str) -> Table:
    rows = [
        [r["recipe"], r["wall_clock"]["speed"], bounds(r["wall_clock"]["multiplier"])]
        for r in at["recipes"]
        if r["wall_clock"]
    ]
    header = ("recipe", "relative speed", f"multiplier in time and money ({prob})")
    return Table("in wall-clock, not FLOP", header, rows)


def _floors(document: Document, i: int) -> Table:
    at, base = document["budgets"][i], document["baseline"]
    names = [r["recipe"] for r in at["recipes"] if r["recipe"] != base]
    usual = {r["recipe"]: r["multiplier"]["median"] for r in at["recipes"]}
    rows = [["as learned", *(_one(usual[name]) for name in names)]]
    for floor in document["floors"]:
        medians = _of(floor, i)
        against = "" if _credible(floor) else ", which the runs speak against"
        rows.append(
            [floor["words"] + against, *(_one(medians[name]) for name in names)]
        )
    pocket = [_one(document["pocket"][name]) for name in names]
    rows.append(["pocket formula, at the largest runs", *pocket])
    return Table("median multiplier by floor", ("floor", *names), rows)


def _of(floor: Document, i: int) -> Document:
    return {r["recipe"]: r["multiplier"] for r in floor["budgets"][i]["recipes"]}


def _credible(floor: Document) -> bool:
    return floor["log_odds"] > AGAINST


def _one(value: float | None) -> str:
    return "unbounded" if value is None else three(value)


def _moved(document: Document, name: str, i: int) -> float | None:
    """How far the median multiplier moves with floors that the runs do not speak against.

    None where it is not bounded.
    """
    usual = [
        r["multiplier"]["median"]
        for r in document["budgets"][i]["recipes"]
        if r["recipe"] == name
    ]
    floors = [floor for floor in document["floors"] if _credible(floor)]
    values = usual + [_of(floor, i)[name] for floor in floors]
    if any(value is None for value in values):
        return None
    return max(abs(value - usual[0]) for value in values)
