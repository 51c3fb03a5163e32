"""Keep both ends of an interval on one line: in a narrow table `0.93 [0.90, 0.96]` breaks before its bracket alone."""

import re
from typing import Any

_ENDS = re.compile(r"(?<=\d )\[(?P<low>-?[\d.]+), (?P<high>-?[\d.]+)\]")


def on_page_content(html: str, **_: Any) -> str:
    """Put a no-break space between the ends."""
    return _ENDS.sub(r"[\g<low>,&nbsp;\g<high>]", html)
