"""Metrics of generated stems: functions on numpy arrays, mono audio as `(samples,)`.

The tests hold each of them to exact results on synthesized tones.
"""

from latentstem._exports import export_lazily

export_lazily(__name__)
