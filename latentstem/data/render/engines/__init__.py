"""Synthesized instruments: engines with random parameters, and the parts they are built of."""

from latentstem._exports import export_lazily

export_lazily(__name__)
