"""Data: the annotated band corpus and the reader of stem folders."""

from latentstem._exports import export_lazily

export_lazily(__name__)
