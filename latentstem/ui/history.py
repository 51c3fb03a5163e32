"""The finished stems of each visitor, which stay until they are removed or the visitor has left."""

import itertools
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from latentstem.data.score import Note
from latentstem.ui.results import Result
from latentstem.ui.take_files import Format, at_level, transcribe_notes, write_format
from latentstem.ui.visitor_files import VisitorFiles

_MOST_TAKES = 60
_MOST_BYTES = 2 << 30
_names = itertools.count(1)


@dataclass
class Take:
    """A finished stem in the history of a visitor.

    Attributes:
        result: The stem as it was generated.
        form: Values of the form that it was generated from, to be put back there.
        name: Name of the take, different from those of all others.
        starred: Whether the visitor wants to keep it.
        decibels: Change of its level in dB.
        shown: The stem at this level, which is what is heard.
        files: Files in other formats, of the stem at this level, that were asked for.
        notes: Notes of the stem, once they were asked for.

    Example:
        >>> Take(result).shown is result  # doctest: +SKIP
        True
    """

    result: Result
    form: Sequence[Any] = ()
    name: str = field(default_factory=lambda: f"take-{next(_names)}")
    starred: bool = False
    decibels: float = 0.0
    shown: Result = field(init=False)
    files: dict[Format, Path] = field(default_factory=dict)
    notes: tuple[Note, ...] | None = None

    def __post_init__(self) -> None:
        self.shown = self.result

    def set_level(self, decibels: float) -> None:
        """Change the level of the stem; the files of the level before it are removed.

        Args:
            decibels: Change of the level in dB, from that of the stem as it was generated.

        Raises:
            ValueError: The level is out of range.
        """
        changed, before = at_level(self.result, decibels), self.shown
        old = [*self.files.values()]
        self.shown, self.decibels, self.files = changed, decibels, {}
        if before is not self.result and before.stem.file != changed.stem.file:
            old += [path for sound in (before.stem, before.both) for path in (sound.file, sound.picture)]
        for path in old:
            path.unlink(missing_ok=True)

    def write(self, format: Format) -> None:
        """Write the stem in another format, unless it is there.

        Args:
            format: The format.
        """
        if format in self.files:
            return
        if format is Format.MIDI and self.notes is None:
            self.notes = transcribe_notes(self.result)
        self.files[format] = write_format(self.shown, format, self.notes)


class History:
    """The takes of each visitor, oldest first; of very many the oldest ones go, those without a star before the others.

    Args:
        files: Owners of the files, in whose folders those of the takes lie.

    Example:
        >>> History(VisitorFiles(Path("/tmp/stems"))).takes("nobody")  # doctest: +SKIP
        []
    """

    def __init__(self, files: VisitorFiles):
        self.files = files
        self._takes: dict[Path, list[Take]] = {}

    def new_folder(self, visitor: str) -> Path:
        """Create a folder for the takes of one press, and forget the takes of visitors whose files are gone.

        Args:
            visitor: Session of the visitor.
        """
        for home in [*self._takes]:
            if not home.exists():
                self._takes.pop(home, None)
        return Path(tempfile.mkdtemp(dir=self.files.home_of(visitor), prefix="takes-"))

    def add(self, visitor: str, result: Result, form: Sequence[Any] = ()) -> None:
        """Add a finished stem.

        Args:
            visitor: Session of the visitor.
            result: The stem.
            form: Values of the form that it was generated from.
        """
        takes = self._own(visitor)
        takes.append(Take(result, form))
        while len(takes) > 1 and (len(takes) > _MOST_TAKES or sum(map(_bytes, takes)) > _MOST_BYTES):
            oldest = next((take for take in takes[:-1] if not take.starred), takes[0])
            self.remove(visitor, oldest.name)

    def takes(self, visitor: str) -> list[Take]:
        """Return the takes of a visitor.

        Args:
            visitor: Session of the visitor; all their pages have one history.
        """
        return [*self._own(visitor)]

    def find(self, visitor: str, name: str) -> Take:
        """Return a take by its name.

        Args:
            visitor: Session of the visitor.
            name: Name of the take.

        Raises:
            ValueError: The visitor has no such take.
        """
        for take in self._own(visitor):
            if take.name == name:
                return take
        raise ValueError("this take is no longer there; reload the page to see those that are")

    def remove(self, visitor: str, name: str) -> None:
        """Remove a take and its files.

        Args:
            visitor: Session of the visitor.
            name: Name of the take.

        Raises:
            ValueError: The visitor has no such take.
        """
        take, takes = self.find(visitor, name), self._own(visitor)
        takes.remove(take)
        folder = take.result.stem.file.parent
        shutil.rmtree(folder, ignore_errors=True)
        if not any(other.result.mix.file == take.result.mix.file for other in takes):
            shutil.rmtree(folder.parent, ignore_errors=True)

    def _own(self, visitor: str) -> list[Take]:
        """Return the list of a visitor's takes, without those whose files went when they were away."""
        home = self.files.home_of(visitor)
        takes = self._takes.setdefault(home, [])
        takes[:] = [take for take in takes if take.result.stem.file.exists()]
        return takes


def _bytes(take: Take) -> int:
    return sum(sound.file.stat().st_size for sound in (take.shown.stem, take.shown.both, take.shown.mix))
