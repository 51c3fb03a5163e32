"""Add a player to every picture that links to a sound.

In Markdown, `[![picture](a.png)](a.mp3)` shows the picture on the repository's host and links to the sound; on the site
it is the picture with a player below it. The check of links covers the sounds, because they are links in Markdown.
"""

import re
from typing import Any

_PICTURE_OF_A_SOUND = re.compile(r'<a href="(?P<sound>[^"]+\.mp3)"[^>]*>(?P<picture><img [^>]*?/?>)</a>')
_PLAYER = (
    '<span class="player">{picture}'
    '<audio controls controlslist="nodownload noplaybackrate" preload="none" src="{sound}"></audio></span>'
)


def on_page_content(html: str, **_: Any) -> str:
    """Replace the links by players."""
    return _PICTURE_OF_A_SOUND.sub(lambda found: _PLAYER.format(**found.groupdict()), html)
