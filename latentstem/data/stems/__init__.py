"""Folders of stems: their layouts, random crops of them, and what is wrong with them."""

from latentstem._exports import export_lazily

export_lazily(__name__)
