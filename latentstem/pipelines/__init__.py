"""Pipelines from audio to audio, and from file to file."""

from latentstem._exports import export_lazily

export_lazily(__name__)
