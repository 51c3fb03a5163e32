"""Whole chains from audio to audio."""

from latentstem._exports import export_lazily

export_lazily(__name__)
