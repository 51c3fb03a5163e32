"""Shows the examples of docstrings as code: Griffe knows the heading `Examples:`, and our docstrings say `Example:`."""

from typing import Any

import griffe


class ExampleSections(griffe.Extension):
    """Gives the heading of an example the form that Griffe's parser takes for one."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for everything that is loaded."""
        if obj.docstring is not None:
            obj.docstring.value = obj.docstring.value.replace("\nExample:\n", "\nExamples:\n")
