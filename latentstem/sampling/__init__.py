"""Clean samples, hooks on them, training objectives and overlapping windows, for any scheduler."""

from latentstem._exports import export_lazily

export_lazily(__name__)
