"""Folders of stems: their layouts, their tracks, random crops and sub-mixes of them, and a check of their contents."""

from latentstem._exports import export_lazily

export_lazily(__name__)
