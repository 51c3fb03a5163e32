"""What happens between a net's prediction and a scheduler's step, for any scheduler."""

from latentstem._exports import export_lazily

export_lazily(__name__)
