"""Patterns in tablature: whole bars, known signs, and their onsets against a naive reading."""

from hypothesis import given
from hypothesis import strategies as st

from latentstem.data.compose.bass_patterns import PATTERNS as BASS_PATTERNS
from latentstem.data.compose.comping_patterns import PATTERNS as COMPING_PATTERNS
from latentstem.data.compose.drum_patterns import PATTERNS
from latentstem.data.compose.patterns import onsets
from latentstem.data.compose.programs import FAMILIES, STYLES
from latentstem.data.compose.timing import TIME_SIGNATURES

SIXTEENTHS = {"4/4": 16, "3/4": 12, "6/8": 12}
metres = st.sampled_from(TIME_SIGNATURES)


def test_every_pattern_fills_its_bars():
    drums = {
        name: {style: [line for bar in bars for line in bar.values()] for style, bars in styles.items()}
        for name, styles in PATTERNS.items()
    }
    patterns = [
        (name, line)
        for table in (BASS_PATTERNS, COMPING_PATTERNS)
        for style in table.values()
        for name, lines in style.items()
        for line in lines
    ]
    patterns += [(name, line) for name, styles in drums.items() for lines in styles.values() for line in lines]
    for name, line in patterns:
        assert len(line) % SIXTEENTHS[name] == 0 and len(line) > 0, (name, line)
    # What is drawn in songs without a genre has patterns in every time signature.
    roles = {role for family in FAMILIES for role in family.roles}
    for table, drawn in ((BASS_PATTERNS, set(STYLES)), (COMPING_PATTERNS, roles)):
        assert all(set(table[style]) == set(SIXTEENTHS) for style in drawn & set(table))
        assert all(set(style) <= set(SIXTEENTHS) for style in table.values())
    assert all(set("".join(lines)) <= set(".13578agr") for style in BASS_PATTERNS.values() for lines in style.values())


@given(metres, st.integers(0, 40), st.integers(1, 12), st.text(".xg", min_size=16, max_size=16))
def test_onsets_are_those_of_the_repeated_pattern(metre, start, length, pattern):
    pattern = pattern[: SIXTEENTHS[metre.name]]
    per_beat = 2 * metre.division
    expected = [
        (step / per_beat, pattern[step % len(pattern)])
        for step in range(start * per_beat, (start + length) * per_beat)
        if pattern[step % len(pattern)] != "."
    ]
    assert onsets(pattern, metre, float(start), float(start + length)) == expected
