"""Tasks that everybody evaluates: accuracy of guessing, and number of questions."""

import re
from typing import NamedTuple


class KnownTask(NamedTuple):
    """What is known of a task before any run."""

    chance: float | None  # accuracy of guessing; None where it is not known
    questions: int | None  # of the set that is usually evaluated
    floor_sd: float = 0.03  # of a weak model's accuracy about the chance level


# sizes of the public test or validation sets; generated answers are never right by chance
KNOWN = {
    "hellaswag": KnownTask(0.25, 10042),
    "arc_easy": KnownTask(0.25, 2376),
    "arc_challenge": KnownTask(0.25, 1172),
    "boolq": KnownTask(0.5, 3270, 0.06),  # weak models say one of yes and no throughout
    "csqa": KnownTask(0.2, 1221),
    "openbookqa": KnownTask(0.25, 500),
    "piqa": KnownTask(0.5, 1838),
    "socialiqa": KnownTask(1 / 3, 1954),
    "winogrande": KnownTask(0.5, 1267),
    "winograd": KnownTask(0.5, 273),
    "copa": KnownTask(0.5, 100),
    "mmlu": KnownTask(0.25, 14042),
    "mmlu_pro": KnownTask(0.11, 12032),  # ten choices, of some questions fewer
    "sciq": KnownTask(0.25, 1000),
    "triviaqa": KnownTask(0.0, 17944, 0.0),
    "gsm8k": KnownTask(0.0, 1319, 0.0),
    "humaneval": KnownTask(0.0, 164, 0.0),
    "lambada": KnownTask(0.0, 5153, 0.0),
    "coqa": KnownTask(0.0, 7983, 0.0),
    "squad": KnownTask(0.0, 10570, 0.0),
    "jeopardy": KnownTask(0.0, 2117, 0.0),
    "bigbench_qa_wikidata": KnownTask(0.0, 20321, 0.0),
    "bigbench_language_identification": KnownTask(None, 10000),
    "bigbench_operators": KnownTask(0.0, 210, 0.0),
    "bigbench_repeat_copy_logic": KnownTask(0.0, 32, 0.0),
    "bigbench_dyck_languages": KnownTask(0.0, 1000, 0.0),
    "bigbench_cs_algorithms": KnownTask(0.0, 1320, 0.0),
    "agi_eval_lsat_ar": KnownTask(0.2, 230),
}
ALIASES = {
    "arce": "arc_easy",
    "arcc": "arc_challenge",
    "commonsenseqa": "csqa",
    "obqa": "openbookqa",
    "siqa": "socialiqa",
    "lsatar": "agi_eval_lsat_ar",
}
NOT_KNOWN = KnownTask(None, None)


AROUND = re.compile(  # words of a column that say how a task was evaluated
    r"acc|accuracy|val|valid|validation|test|dev|norm|raw|rc|mc|cf|em|openai|heavy|\d+ ?shot|\d+"
)


def known_task(name: str) -> KnownTask:
    """What is known of a task by the name of its column.

    Words that say how it was evaluated may stand around the name; with any other word it
    is another task, as a part of MMLU is.
    """
    words = re.findall("[a-z0-9]+", name.lower())
    task = "".join(word for word in words if not AROUND.fullmatch(word))
    names = {_plain(known): known for known in KNOWN} | ALIASES
    return KNOWN[names[task]] if task in names else NOT_KNOWN


def _plain(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())
