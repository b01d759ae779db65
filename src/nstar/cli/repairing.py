"""What a command says of a table that stops it, and the command that would not be stopped."""

import shlex
from collections.abc import Sequence
from dataclasses import replace

from nstar.cli.source import RunsRefused
from nstar.runs.problems import ReadOptions
from nstar.verdicts import Status

ONCE = ("--columns", "--units", "--skip-rows", "--decimal")  # a second one replaces it


def explain(refused: RunsRefused, words: Sequence[str]) -> list[str]:
    """Say every problem in a line, worst first, then the repaired command.

    Args:
        refused: the table's problems.
        words: of the command line, without the program's name.
    """
    lines = [
        f"nstar: {refused.source}: {p.status} {p.name}: {' '.join(p.sentence().split())}"
        for p in refused.problems
        if p.status is not Status.PASS
    ]
    if refused.repair:
        return [*lines, shlex.join(repaired(words, refused.options, refused.repair))]
    return [
        *lines,
        f"nstar: no option repairs {refused.source}: it takes what is said above",
    ]


def repaired(
    words: Sequence[str], given: ReadOptions, repair: ReadOptions
) -> list[str]:
    """Return the command with the options that repair its table.

    Args:
        words: of the command line, without the program's name.
        given: the options of reading among them.
        repair: those to add; maps are merged with what is given.
    """
    both = given.with_more(repair)
    added = replace(
        both,
        columns=both.columns if repair.columns else {},
        units=both.units if repair.units else {},
        skip_rows=both.skip_rows if repair.skip_rows else (),
        where=tuple(w for w in both.where if w not in given.where),
        accept=tuple(n for n in both.accept if n not in given.accept),
        decimal=repair.decimal,
        drop_diverged=repair.drop_diverged and not given.drop_diverged,
    ).as_words()
    return ["nstar", *_without(words, [n for n in ONCE if n in added]), *added]


def _without(words: Sequence[str], options: Sequence[str]) -> list[str]:
    """Leave out options and their values."""
    rest, skip = [], False
    for word in words:
        if skip or word.partition("=")[0] in options:
            skip = not skip and word in options
            continue
        rest.append(word)
    return rest
