"""Errors of a pipeline's call whose messages can name its arguments as another interface does."""

from collections.abc import Mapping
from typing import Any


class ArgumentError(ValueError):
    """Arguments that cannot work, or not together.

    Args:
        template: Message with the names of arguments in braces, and with other names in braces for `values`.
        values: What stands in place of the other names.

    Example:
        >>> error = ArgumentError("{keep_best} must be at most {limit}, got {value!r}", limit=4, value=5)
        >>> str(error)
        'keep_best must be at most 4, got 5'
        >>> error.renamed({"keep_best": "--keep-best"})
        '--keep-best must be at most 4, got 5'
    """

    def __init__(self, template: str, **values: Any):
        self._template, self._values = template, values
        super().__init__(self.renamed({}))

    def renamed(self, names: Mapping[str, str]) -> str:
        """Return the message with other names of the arguments.

        Args:
            names: Name to show for an argument's own name; arguments that are missing here keep theirs.
        """
        return self._template.format_map(_OwnNames({**names, **self._values}))


class _OwnNames(dict):
    def __missing__(self, name: str) -> str:
        return name
