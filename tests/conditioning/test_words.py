"""Prompts: which words they ask for, and which they exclude."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentstem.conditioning import Vocabulary
from latentstem.data.words import WORDS

VOCABULARY = Vocabulary(
    {"drums": ["beat"], "hats": ["hi-hats"], "drum and bass": ["dnb"], "bass": [], "drum machine": ["808"], "dark": []}
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("Dark drums.", {"dark": True, "drums": True}),
        ("a very dark loop, please", {"dark": True}),
        ("drum and bass on an 808", {"drum and bass": True, "drum machine": True}),
        ("drums and bass", {"drums": True, "bass": True}),
        ("no hi-hats", {"hats": False}),
        ("without hats or bass, dark", {"hats": False, "bass": False, "dark": True}),
        ("no hats but bass", {"hats": False, "bass": True}),
        ("no drums with bass", {"drums": False, "bass": True}),
        ("dark, DARK; dark", {"dark": True}),
    ],
)
def test_a_prompt_is_read_as_people_mean_it(text, expected):
    assert VOCABULARY.read(text) == expected
    assert VOCABULARY.presence([text])[0].tolist() == [
        0 if word not in expected else 1 if expected[word] else -1 for word in VOCABULARY.words
    ]


FORMS = [(word, form) for word, others in WORDS.words.items() for form in (word, *others)]


@given(st.lists(st.tuples(st.sampled_from(FORMS), st.booleans()), max_size=8, unique_by=lambda each: each[0][0]))
def test_every_word_of_the_composer_is_read_in_any_order(chosen):
    text = ", ".join(("" if wanted else "no ") + form for (_, form), wanted in chosen)
    assert WORDS.read(text) == {word: wanted for (word, _), wanted in chosen}


def test_a_word_that_is_not_known_is_answered_with_those_that_are():
    with pytest.raises(ValueError, match=r"'hatz', which is not known; did you mean hats\. Known: bass, dark"):
        VOCABULARY.read("dark hatz")
    with pytest.raises(ValueError, match=r"'funky', which is not known\. Known: "):
        VOCABULARY.read("funky")


def test_a_word_is_not_asked_for_and_excluded():
    with pytest.raises(ValueError, match="both asks for hats and excludes it"):
        VOCABULARY.read("hats, no hi-hats")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"drums": [], "beat": ["drums"]}, "'drums' twice"),
        ({"Drums": []}, "the word 'Drums'"),
        ({"no drums": []}, "the word 'no drums'"),
        ({"": []}, "the word ''"),
        ({"kick, snare": []}, "the word 'kick, snare'"),
    ],
)
def test_a_vocabulary_holds_words_that_a_prompt_can(words, message):
    with pytest.raises(ValueError, match=message):
        Vocabulary(words)
