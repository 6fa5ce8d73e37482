"""Step 1: cut every song into whole two-second clips.

    python mp3_split.py                        # songs in data/songs/<artist>/[<album>/]
    python mp3_split.py --songs ~/Music        # songs that lie elsewhere; nothing is written there

Writes clips (WAV, mono, 22,050 Hz, 16 bit) under data/clips/ and one row for each song to
data/songs.csv. Running it again does only what is missing or out of date.
"""

import argparse
import sys

from soundalike import terminal


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = terminal.parser(__doc__)
    terminal.add_song_arguments(parser)
    terminal.add_worker_arguments(parser)
    return parser.parse_args(argv)


@terminal.script
def main(argv: list[str] | None = None) -> int:
    """Cut all songs, and list what became of each; returns the exit status."""
    args = parse_args(argv)
    from soundalike import library, survey, wording  # after --help, which needs none of it
    from soundalike.pool import Workers

    songs = args.songs or args.library / "songs"
    music = survey.Music(args.library, songs, args.label_by, args.max_hours)
    table, processed = survey.split_songs(music, Workers(args.jobs, args.scheduler))
    terminal.say(terminal.note_lines(args.library))
    terminal.say(wording.songs_lines(table, processed, args.library / "clips", songs))
    return terminal.exit_status(len(table), int((~table["status"].isin(library.GOOD)).sum()))


if __name__ == "__main__":
    sys.exit(main())
