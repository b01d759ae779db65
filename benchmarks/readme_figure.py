"""The picture of the README: D*(C) from the Llama 3 points, beside the published law.

uv run python benchmarks/readme_figure.py
"""

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

import nstar
from nstar.cache import use_cache
from nstar.plans.routes import routes
from nstar.published import fits as published
from nstar.report import allocation_figures
from nstar.report.drawing import STYLE

if __name__ == "__main__":
    use_cache()
    found = routes(nstar.read_runs("llama3"), [3.8e25])
    out = Path(__file__).parent / "results" / "llama3.svg"
    out.parent.mkdir(exist_ok=True)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 4.8), layout="constrained")
        laws = [published.get("llama3")]
        drawn = allocation_figures.lines(found)
        allocation_figures.allocation(figure.subplots(), found, drawn, laws, 0.9, "D")
        figure.savefig(out, metadata={"Date": None})
    print(out)
