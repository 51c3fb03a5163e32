"""Training loops on Accelerate: the same command on one CPU, one GPU or many."""

from latentstem._exports import export_lazily

export_lazily(__name__)
