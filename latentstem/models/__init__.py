"""Networks: one diffusers `ModelMixin` a file."""

from latentstem._exports import export_lazily

export_lazily(__name__)
