"""Noise schedules and solvers."""

from latentstem._exports import export_lazily

export_lazily(__name__)
