"""The composer of the band corpus: songs with everything known about them, from a seed."""

from latentstem._exports import export_lazily

export_lazily(__name__)
