"""Figures of merit for generated stems: functions on numpy arrays, mono audio as `(samples,)`.

Each is exact on synthesised tones (the tests hold it to that). The benchmarks only call these functions.
"""

from latentstem._exports import export_lazily

export_lazily(__name__)
