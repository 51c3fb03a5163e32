"""Networks and codecs, and the parts they are made of."""

from latentstem._exports import export_lazily

export_lazily(__name__)
