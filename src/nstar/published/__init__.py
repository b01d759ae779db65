"""The public record as tables: published fits, released models, accelerators."""

from nstar.published.forms import FORMS as FORMS
