"""Which command to use where a law cannot answer."""

from nstar.types import Law


def suggest_command(law: Law) -> str:
    """Ending of a message that names the commands for a law without a loss; else empty."""
    columns, inputs = law.response.columns, [n for n in law.inputs if n != "budget"]
    if columns == ("successes",):
        return "; it is of counts: nstar passk says what more samples solve, nstar spend how to spend them"
    if len(columns) > 1 or columns[0] in ("L", "D", "N"):
        return ""
    at = ",".join(f"{name}=..." for name in inputs)
    return f"; it says {columns[0]} by {' and '.join(inputs)}: ask nstar predict --at {at}, or nstar target --value for the least {inputs[0]} that reaches one"
