"""What a command names and there is not: refused before JAX, the file first, with the nearest."""

import json
import subprocess
import sys

import jax
import numpy as np
import pytest
from scipy import stats

from conftest import FALSE_ALARM
from nstar.departures.bending import amplitudes
from nstar.laws import ENTRIES, LAWS, name_of
from nstar.laws.parsing import SETTINGS, parse_law
from nstar.noises import UNKNOWNS
from nstar.noises.likelihoods import NOISES
from nstar.priors.families import FAMILIES, read_prior
from nstar.priors.stated import describe, parse
from nstar.responses.scales import LOG_LOSS, SUCCESSES

TABLE = "params,tokens,loss\n" + "".join(
    f"{n:g},{d:g},{2 + 1e6 / n + 1e8 / d:g}\n"
    for n in (1e8, 3e8, 1e9)
    for d in (2e9, 2e10, 9e10)
)
BAD = {  # by command: the part of its refusal that helps
    "fit ladder.csv --law chinchila": "did you mean chinchilla?",
    "fit ladder.csv --law bounded_metric(chanc=0.1)": "it takes chance",
    "fit ladder.csv --law kaplan,kaplan": "of different names to average",
    "backtest ladder.csv --law coupeld": "did you mean coupled?",
    "simulate ladder.csv --law coupeld": "did you mean coupled?",
    "fit ladder.csv --noise studnt_t": "did you mean student_t?",
    "fit ladder.csv --discrepancy wave": "did you mean waves?",
    "fit ladder.csv --priors weka": "there are weak, informed",
    "fit ladder.csv --law chinchilla --prior alpa1=Normal(0.5,0.1)": "did you mean alpha1?",
    "fit ladder.csv --prior alpa1=Normal(0.5,0.1)": "no unknown of any law; did you mean alpha1",
    "fit ladder.csv --prior alpha1=Nrmal(0.5,0.1)": "did you mean Normal",
    "fit ladder.csv --prior alpha1=Normal(0.5,-1)": "scale must be positive",
    "fit ladder.csv --prior alpha1=Normal(0.5": "as in LogNormal(-1.0, 0.5)",
    "fit ladder.csv --columns N=": "expected name=value",
    "fit ladder.csv --where corpus": "expected col=value",
    "fit ladder.csv --out fit.txt": "ends in .nc",
    "fit ldder.csv --law chinchila": "no such file; did you mean ['ladder.csv']?",
    "fit lama3": "did you mean ['llama3'",
    "summary none.nc": "none.nc: no such file",
    "plan none.csv --budget 1e24 --hardware h100": "No such option",
    "plan ladder.csv --budget lots": "--budget",
    "plan ladder.csv --budget 1e24 --max-params 8X": "--max-params",
    "predict ladder.csv --at 7e9;1": "--at '7e9;1'",
    "compare ladder.csv --published llama4 --budget 1e24": "nearest: llama3",
    "published llama4": "nearest: llama3",
    "report none.csv --budget 1e24 --hardware h101": "none.csv: no such file",
    "report ladder.csv --budget 1e24 --hardware h101": "nearest: h100",
    "report ladder.csv --budget 1e24 --candidates 8X": "candidate '8X'",
    "report ladder.csv --budget 1e24 --out page.pdf": "ends in .html",
    "report ladder.csv --budget 1e24 --prior alpa1=Normal(0,1)": "alpha1",
    "risk ladder.csv --budget 1e24 --hardware h100 --mfu 40": "expected between 0 and 1",
    "risk ladder.csv --budget 1e24 --hardware h100 --price Unform(2,3)": "Uniform",
    "cost llama3-405b --hardware h101": "nearest: h100",
    "models llama3-450b": "nearest: llama3-405b",
    "data lama3": "nearest: llama3",
    "task ladder.csv --task none.csv --accuracy a --budget 1e24": "none.csv: no such file",
    "passk none.csv --k 10": "none.csv: no such file",
    "spend 8B=none.csv --tokens 500": "none.csv: no such file",
    "lifetime ladder.csv --counts none.csv --budget 1e24 --problems 1e9 --tokens 5": "none.csv: no such file",
    "refit none.toml": "none.toml: no such file",
    "refit bad.toml": "line 4: grid: no law 'chinchila'; did you mean chinchilla?",
}
GOOD = ("cost llama3-405b --hardware h100 --price Uniform(2,3)", "models", "published")
RUN = """
import contextlib, io, json, sys
from nstar.cli import main
said = {}
for words in json.load(sys.stdin):
    sys.argv, out, err = ["nstar", *words.split()], io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
            code = 0
        except SystemExit as left:
            code = left.code or 0
    said[words] = code, out.getvalue(), err.getvalue(), "jax" in sys.modules
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """Exit code, stdout, stderr and whether JAX was imported, of one process for all."""
    folder = tmp_path_factory.mktemp("names")
    (folder / "ladder.csv").write_text(TABLE)
    bad = '[[data]]\nsource = "ladder.csv"\n[grid]\nlaws = ["chinchila"]\n'
    (folder / "bad.toml").write_text(bad)
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        input=json.dumps([*BAD, *GOOD]),
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("words", BAD)
def test_what_there_is_not_is_refused_before_jax(words, answers):
    code, out, err, jax = answers[words]
    assert (code, out, jax) == (2, "", False), err
    assert BAD[words] in " ".join(err.split())


@pytest.mark.parametrize("words", GOOD)
def test_what_needs_no_fit_needs_no_jax(words, answers):
    code, out, err, jax = answers[words]
    assert (code, err, jax) == (0, "", False)
    assert len(out.splitlines()) > 3


# The registries say of laws and noises what these say of themselves


@pytest.mark.parametrize("name", LAWS)
def test_a_laws_line_has_its_unknowns_and_settings(name):
    law, entry = LAWS[name](), ENTRIES[name]
    assert set(entry.unknowns.split()) == {*law.priors()} | amplitudes(law)
    assert entry.settings.split() == [n for n in SETTINGS if n in vars(law)]
    assert name_of(law) == name


@pytest.mark.parametrize("text", ["accuracy(chance=0.2)", "bounded_metric(chance=0.1)"])
def test_a_setting_adds_no_unknown(text):
    law = parse_law(text)
    assert {*law.priors()} <= set(ENTRIES[name_of(law)].unknowns.split())


def test_noises_have_the_unknowns_that_are_said():
    assert [*UNKNOWNS] == [*NOISES]
    for name, noise in NOISES.items():
        response = SUCCESSES if name == "binomial" else LOG_LOSS
        assert set(UNKNOWNS[name]) == set(noise.priors(response)), name


VALUES = {"loc": 0.3, "low": 0.5, "high": 2.0, "df": 4.0}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_numpyros_and_draws_as_it_does(family, rng):
    numbers = ", ".join(str(VALUES.get(n, 1.7)) for n in FAMILIES[family])
    stated, theirs = read_prior(f"{family}({numbers})"), parse(f"{family}({numbers})")
    if family != "InverseGamma":  # which NumPyro makes of a Gamma
        assert str(stated) == describe(theirs)
    with jax.enable_x64(True):
        draws = np.asarray(theirs.sample(jax.random.key(0), (40_000,)))
    assert stats.ks_2samp(stated.draw(rng, 40_000), draws).pvalue > FALSE_ALARM
