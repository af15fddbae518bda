# SPDX-License-Identifier: Apache-2.0
"""`spanflow keygen`: a new key for the anonymisation of what a collector gets."""

from __future__ import annotations

import argparse
import os

from spanflow.errors import ExitCode, SpanflowError


class KeyFileError(SpanflowError):
    """The file cannot be written."""

    exit_code = ExitCode.CANNOT_CREATE


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "keygen",
        help="make a key for anonymize=crypto-pan",
        description="Write a new random key for anonymize=crypto-pan to a file that its owner alone can read."
        " Whoever has the key can turn pseudonyms back into addresses; whoever loses it gets other pseudonyms"
        " from then on. A file that exists is never overwritten.",
    )
    parser.add_argument("file", metavar="FILE", help="the new file, for the option anonymize_key")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the file. Raises KeyFileError (exit code 73)."""
    from spanflow.config.wording import shown
    from spanflow.exporting.anonymization_key import new_key

    where = f"keygen {shown(arguments.file, 300)}"
    try:
        # Created with its mode, so that no moment is left to open it; O_EXCL follows no link either.
        descriptor = os.open(arguments.file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError as error:
        raise KeyFileError(
            f"{where}: exists already; use another name, a key is never overwritten"
        ) from error
    except OSError as error:
        raise KeyFileError(f"{where}: {error.strerror}; use a place that can be written to") from error
    try:
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(f"{new_key()}\n")
            file.flush()
            os.fsync(descriptor)
    except OSError as error:
        os.unlink(arguments.file)
        raise KeyFileError(f"{where}: {error.strerror}; make room, or use another place") from error
    return ExitCode.OK
