"""Answers, and what they are worth, in words."""

from collections.abc import Sequence

from soundalike import cli
from soundalike.dataset.splits import MIN_SCORED
from soundalike.library.errors import printable
from soundalike.open_set import CLOSEST, EITHER, PROBABLY, SURE, UNKNOWN, OpenSet

NAMES = {SURE: "sure", PROBABLY: "probably", EITHER: "A or B", CLOSEST: "closest"}  # of the words that name artists


def in_words(word: str, names: Sequence[str], artists: int = 0) -> str:
    """Say an answer: its word, and the artists that it names, the closest first; maybe of how many it is."""
    closest, *others = map(printable, names)
    return {
        SURE: f"sure: {closest}",
        PROBABLY: f"probably {closest}" + (f" (or {others[0]})" if others else ""),
        EITHER: " or ".join(filter(None, [", ".join([closest, *others][:-1]), *others[-1:]])) or closest,
        UNKNOWN: f"unknown artist? closest {closest}",
        CLOSEST: f"closest of your {artists} artists: {closest}" if artists else f"closest: {closest}",
    }[word]


def shipped_in_words(found: dict) -> str:
    """Say in a sentence what users get, see `open_set.as_shipped`."""
    known, others = found["known"], found["unknown"]
    said = (
        f"Of {cli.counted(known['songs'], 'song')} held out of training {known['right']:.0%} were named rightly "
        f"({known['right_by_artist']:.0%} where every artist counts the same) and {known['wrong']:.0%} wrongly"
    )
    if known["either"]:
        said += f"; of {known['either']:.0%} two or three artists were named"
    if others and (known["unknown"] or others["refused"]):
        said += (
            f'; {known["unknown"]:.0%} were called "unknown artist?", and so were {others["refused"]:.0%} of songs by '
            "artists who were left out"
        )
    return f"{said}."


def explain_words(info: dict, *, strict: bool = False) -> list[str]:
    """Say in lines what the words of answers are worth, or why a word is not used.

    Parameters
    ----------
    info : dict
        The content of ``model.json``.
    strict : bool
        Whether more artists were called unknown than these figures say.
    """
    found, words = info["scores"]["as_shipped"], OpenSet(**info["words"])
    others = found and found["unknown"]
    lines = []
    if others and words.sure_from is not None:
        sure, asked = round(others["called_sure"] * others["songs"]), cli.counted(others["songs"], "song")
        lines.append(f"{sure:,} of {asked} by your artists were called sure when the artist was left out.")
    if found:
        lines.append(f"How often answers were right for songs held out of training{', without --strict' * strict}:")
        for word, name in NAMES.items():
            if found[word]["songs"]:
                among = " had the artist among those named" * (word == EITHER)
                lines.append(f"  {name}: {found[word]['right']} of {cli.counted(found[word]['songs'], 'song')}{among}")
    else:
        lines.append(
            f"How often answers are right is not measured: that takes two artists with {MIN_SCORED} songs each."
        )
    if words.unknown_below is None:
        lines.append(
            f"One of the {len(info['classes'])} artists is always named, also for songs by others: too few songs were "
            "held out, or songs by unknown artists get no other answers."
        )
    elif others:
        lines.append(
            f"  unknown artist?: said of {found['known']['unknown']:.0%} of these songs, and of "
            f"{others['refused']:.0%} when the artist was left out"
        )
    if words.sure_from is None:
        lines.append("No answer is called sure: that takes artists of 25 songs or so that stand out from all others.")
    return lines
