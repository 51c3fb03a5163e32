"""Show the examples of docstrings as code: Griffe knows the heading `Examples:`; the docstrings say `Example:`."""

from typing import Any

import griffe


class ExampleSections(griffe.Extension):
    """Extension that renames the heading of examples for Griffe's parser."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rename the heading in the docstring of a loaded object."""
        if obj.docstring is not None:
            obj.docstring.value = obj.docstring.value.replace("\nExample:\n", "\nExamples:\n")
