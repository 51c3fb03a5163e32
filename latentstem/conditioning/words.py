"""Words of a prompt: which of the words that a net knows a text asks for, and which it excludes."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from latentstem._checks import short

_EXCLUDE = {"no", "not", "without", "non"}
_ENDS = {",", ";", ".", "with", "but", "plus"}
_FILLERS = {
    *("a", "an", "and", "at", "by", "feel", "for", "in", "like", "loop", "mood", "music", "of", "on", "or", "please"),
    *("some", "song", "sound", "sounding", "sounds", "style", "the", "track", "very"),
}
_TOKEN = re.compile(r"[^\s,;.]+|[,;.]")


@dataclass(frozen=True)
class Vocabulary:
    """The words that a net knows.

    Args:
        words: Each word, or several words with spaces between, to those that mean the same; all in lower case. They are
            put in alphabetical order, as configs are saved.

    Raises:
        ValueError: A word stands twice, or is one that says nothing about sound.

    Example:
        >>> vocabulary = Vocabulary({"techno": [], "hats": ["hi-hats", "cymbals"], "drum machine": ["808"]})
        >>> vocabulary.read("a techno loop on an 808, no hi-hats")
        {'techno': True, 'drum machine': True, 'hats': False}
        >>> vocabulary.presence(["techno, no cymbals", ""]).tolist()
        [[0.0, -1.0, 1.0], [0.0, 0.0, 0.0]]
    """

    words: Mapping[str, Sequence[str]]

    def __post_init__(self) -> None:
        if not isinstance(self.words, Mapping) or not all(map(_is_entry, self.words.items())):
            raise ValueError(
                f"got {short(self.words)} as words; expected a mapping from each word to a list of words that mean the "
                "same"
            )
        object.__setattr__(self, "words", dict(sorted(self.words.items())))
        forms = [form for word, others in self.words.items() for form in (word, *others)]
        twice = sorted({form for form in forms if forms.count(form) > 1})
        if twice:
            raise ValueError(f"got {short(twice[0])} twice; expected every word, and every word of one meaning, once")
        unreadable = [form for form in forms if _is_unreadable(form)]
        if unreadable:
            raise ValueError(
                f"got the word {short(unreadable[0])}; expected words in lower case that a prompt can hold"
            )

    def read(self, text: str) -> dict[str, bool]:
        """Read a prompt.

        A word after "no" or "without" is excluded, and so are those that follow it, until a comma, "with" or "but".

        Args:
            text: The prompt, in any case and order; words that say nothing about sound ("a", "loop") are skipped.

        Returns:
            Words that are named, to whether they are asked for, in order of the text.

        Raises:
            ValueError: The text has a word that is not known, or asks for a word and excludes it.
        """
        forms = {tuple(form.split()): word for word, others in self.words.items() for form in (word, *others)}
        longest = max(map(len, forms), default=1)
        tokens, found, wanted, place = _TOKEN.findall(text.lower()), {}, True, 0
        while place < len(tokens):
            for length in range(longest, 0, -1):
                word = forms.get(tuple(tokens[place : place + length]))
                if word is not None:
                    break
            else:
                wanted, length = self._skip(tokens[place], wanted), 1
                word = None
            if word is not None and found.setdefault(word, wanted) != wanted:
                raise ValueError(f"the prompt {text!r} both asks for {word} and excludes it; leave one of them out")
            place += length
        return found

    def presence(self, texts: Sequence[str]) -> Tensor:
        """Read prompts to numbers.

        Args:
            texts: The prompts.

        Returns:
            `(prompts, words)`, in the order of the vocabulary: 1 for a word that is asked for, -1 for one that is
            excluded, 0 for others.

        Raises:
            ValueError: A text cannot be read.
        """
        read = [self.read(text) for text in texts]
        rows = [[(0.0 if word not in found else 1.0 if found[word] else -1.0) for word in self.words] for found in read]
        return torch.tensor(rows).reshape(len(texts), len(self.words))

    def _skip(self, token: str, wanted: bool) -> bool:
        """Pass a token that is no known word, and return whether words that follow are asked for."""
        if token in _EXCLUDE:
            return False
        if token in _ENDS:
            return True
        if token in _FILLERS:
            return wanted
        near = [
            word for word, same in self.words.items() if difflib.get_close_matches(token, [word, *same], cutoff=0.75)
        ]
        advice = f"; did you mean {' or '.join(near)}" if near else ""
        known = ", ".join(self.words)
        raise ValueError(f"the prompt has the word {token!r}, which is not known{advice}. Known: {known}")


def _is_entry(entry: tuple[Any, Any]) -> bool:
    word, others = entry
    return isinstance(word, str) and isinstance(others, list | tuple) and all(isinstance(each, str) for each in others)


def _is_unreadable(form: str) -> bool:
    """Return whether a prompt could not name a form."""
    return (
        form != " ".join(form.lower().split()) or not form or not {*_EXCLUDE, *",;."}.isdisjoint(_TOKEN.findall(form))
    )
