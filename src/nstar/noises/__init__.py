"""Noises by name, and the unknowns of each, known before JAX is imported.

A noise joins by a line here and one in `nstar.noises.likelihoods.NOISES`.
"""

from nstar.wording import alternatives

GROUPED = "between"  # whose runs share a part by budget, or by a column that is named
UNKNOWNS = {
    "student_t": ("sigma", "nu"),
    "normal": ("sigma",),
    "growing": ("sigma", "nu", "growth"),
    "correlated": ("sigma_N", "sigma_D", "correlation"),
    "between": ("sigma", "between", "nu"),
    "repeated": ("sigma", "misfit", "nu"),
    "one_sided": ("sigma", "excess"),
    "mistuned": ("sigma", "mistuned", "nu"),
    "bounded": ("sigma_accuracy",),
    "two_steps": ("sigma_nll", "sigma_accuracy"),
    "binomial": (),
}


def read_noise(text: str) -> tuple[str, str]:
    """Read a noise's name, and the column of `between:COLUMN`, empty where none is named.

    Raises:
        ValueError: there is none of that name.
    """
    name, _, over = text.partition(":")
    if name not in UNKNOWNS or (over and name != GROUPED):
        msg = f"no noise {text!r}; {alternatives(name, UNKNOWNS)}, and between:COLUMN"
        raise ValueError(msg)
    return name, over
