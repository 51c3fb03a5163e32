"""The choice of an adapter of the denoiser, among those that the page was started with."""

from collections.abc import Sequence
from typing import Any


class AdapterChoice:
    """Adapters in a net, of which one or none is at work.

    Args:
        net: Net with the adapters, each under its name; without any it need not take adapters.
        names: Names of the adapters.

    Attributes:
        names: Names of the adapters.

    Example:
        >>> choice = AdapterChoice(net=None)
        >>> choice.use(None)  # without adapters there is nothing to do
        >>> choice.use("upright")
        Traceback (most recent call last):
        ValueError: got the adapter 'upright'; expected none
    """

    def __init__(self, net: Any, names: Sequence[str] = ()):
        self.net, self.names = net, list(names)

    def use(self, name: str | None) -> None:
        """Put an adapter to work, in place of the one before it.

        Args:
            name: Name of the adapter; None for the net as it is without one.

        Raises:
            ValueError: There is no such adapter.
        """
        if name is not None and name not in self.names:
            raise ValueError(f"got the adapter {name!r}; expected {', '.join(self.names) or 'none'}")
        if not self.names:
            return
        if name is None:
            self.net.disable_adapters()
        else:
            self.net.enable_adapters()
            self.net.set_adapter(name)
