"""The public record as tables: published fits, released models, accelerators."""

from nstar.published.fits import get as get
from nstar.published.fits import names as names
from nstar.published.forms import FORMS as FORMS
