"""Data: the annotated band corpus and the reader of stem folders."""
