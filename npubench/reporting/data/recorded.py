"""Notes of rows in the language of the page; what tools said stays."""

from npubench.domain.notes import TEXTS, Note, note_of
from npubench.reporting.data.translate import language, say


def recorded(text: Note | str) -> str:
    """A note, or the sentence of earlier rows for one, in the language of now; else the text as it is."""
    note = note_of(text) if isinstance(text, str) else text
    if language() == "en":
        return str(note)
    if isinstance(note, str):
        return say(note)
    # Of what a note fills in a kind alone is a word.
    values = {name: say(str(one)) if name == "kind" else one for name, one in note.values.items()}
    return say(TEXTS[note.code], **values)
