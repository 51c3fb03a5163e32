"""What a visitor does with a take: star, level, another format, removal; or new takes that begin with it."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from latentstem.pipelines.init_stem import Ranges
from latentstem.ui.history import History, Take
from latentstem.ui.requests import GenerationRequest
from latentstem.ui.take_files import Format

GENERATING = ("vary", "redo", "keep")
"""Actions that generate new takes."""

_LEAST_SECONDS = 0.05


def change_take(history: History, visitor: str, data: Mapping[str, Any]) -> None:
    """Do what a visitor asks for with one of their takes.

    Args:
        history: Takes of the visitors.
        visitor: Session of the visitor.
        data: The `action`, "star", "level", "write" or "delete", the `name` of the take, and the `decibels` of the
            level or the `format` to write.

    Raises:
        ValueError: There is no such take or action, or a value is not one.

    Example:
        >>> change_take(history, "session", {"action": "star", "name": "take-3"})  # doctest: +SKIP
    """
    take = find_take(history, visitor, data)
    match data.get("action"):
        case "star":
            take.starred = not take.starred
        case "level":
            take.set_level(_number(data, "decibels"))
        case "write":
            take.write(Format(data.get("format")))
        case "delete":
            history.remove(visitor, take.name)
        case other:
            raise ValueError(f"got {other!r}; expected star, level, write or delete")


def find_take(history: History, visitor: str, data: Mapping[str, Any]) -> Take:
    """Return the take that is named.

    Args:
        history: Takes of the visitors.
        visitor: Session of the visitor.
        data: The `name` of the take.

    Raises:
        ValueError: The visitor has no such take.
    """
    return history.find(visitor, str(data.get("name")))


def begin_with(take: Take, request: GenerationRequest, data: Mapping[str, Any]) -> GenerationRequest:
    """Return the request for new takes that begin with a take, for its mix, or the part of it.

    Args:
        take: The take.
        request: Settings of the new takes, whose `strength` is that of a variation.
        data: The `action`, "vary", "redo" or "keep", and for the last two `start` and `end` of a part in seconds, which
            is made anew or alone stays.

    Raises:
        ValueError: The part does not lie in the take.

    Example:
        >>> begin_with(take, request, {"action": "redo", "start": 2.0, "end": 4.0}).keep  # doctest: +SKIP
        [(0.0, 2.0), (4.0, None)]
    """
    result = take.result
    request = replace(request, mix=result.mix.file, sketch=result.stem.file, part=result.request.part)
    if data.get("action") == "vary":
        return request
    start, end = _number(data, "start"), _number(data, "end")
    if not (0 <= start < end <= result.seconds + 1.0 and end - start > _LEAST_SECONDS):
        raise ValueError(f"got a part from {start:g} to {end:g} s; expected one within 0 to {result.seconds:g} s")
    return replace(request, strength=1.0, keep=_kept(start, end, result.seconds, data.get("action") == "redo"))


def _kept(start: float, end: float, seconds: float, anew: bool) -> Ranges:
    until = None if end >= seconds - _LEAST_SECONDS else end
    if not anew:
        return [(start, until)]
    before = [(0.0, start)] if start > _LEAST_SECONDS else []
    after = [(until, None)] if until is not None else []
    if not before and not after:
        raise ValueError("the marked part is the whole take; press Generate for a new one, or mark less")
    return [*before, *after]


def _number(data: Mapping[str, Any], name: str) -> float:
    value = data.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"got {value!r} as {name}; expected a number")
    return float(value)
