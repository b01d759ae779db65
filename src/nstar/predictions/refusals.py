"""What to ask in place of what a law cannot say."""

from nstar.types import Law


def instead(law: Law) -> str:
    """Name the commands that read a law of an error, an accuracy or a FID; else nothing."""
    columns, inputs = law.response.columns, [n for n in law.inputs if n != "budget"]
    if columns == ("successes",):
        return "; it is of counts: nstar passk says what more samples solve, nstar spend how to spend them"
    if len(columns) > 1 or columns[0] in ("L", "D", "N"):
        return ""
    at = ",".join(f"{name}=..." for name in inputs)
    return f"; it says {columns[0]} by {' and '.join(inputs)}: ask nstar predict --at {at}, or nstar target --value for the least {inputs[0]} that reaches one"
