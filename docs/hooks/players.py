"""Makes a player of every picture that links to a sound.

In Markdown, `[![picture](a.png)](a.mp3)` shows the picture on the repository's host and leads to the sound; on the site
it is the picture with a player below it. Links stay links, so that the check of links sees sounds too.
"""

import re
from typing import Any

_PICTURE_OF_A_SOUND = re.compile(r'<a href="(?P<sound>[^"]+\.mp3)"[^>]*>(?P<picture><img [^>]*?/?>)</a>')
_PLAYER = (
    '<span class="player">{picture}'
    '<audio controls controlslist="nodownload noplaybackrate" preload="none" src="{sound}"></audio></span>'
)


def on_page_content(html: str, **_: Any) -> str:
    """Puts players in place of the links."""
    return _PICTURE_OF_A_SOUND.sub(lambda found: _PLAYER.format(**found.groupdict()), html)
