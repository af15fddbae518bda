# SPDX-License-Identifier: Apache-2.0
"""The files that are computed from the schema: the shipped YAML, the reference, the JSON schema.

`python -m spanflow.config.describe --write` makes them in the folder `config`; `--check` names stale ones.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from spanflow.config.json_schema import json_schema
from spanflow.config.reference import reference
from spanflow.config.shipped_yaml import shipped_yaml

FILES: Mapping[str, Callable[[], str]] = {
    "spanflow.yaml": shipped_yaml,
    "reference.md": reference,
    "spanflow.schema.json": json_schema,
}


def stale(folder: Path) -> list[str]:
    """The names of those files in `folder` that are missing or not what the schema gives."""
    return [name for name, make in FILES.items() if _content(folder / name) != make()]


def _content(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def main() -> int:
    """Write the files, or say which of them are stale (exit code 1)."""
    parser = argparse.ArgumentParser(prog="python -m spanflow.config.describe")
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", action="store_true", help="write the files")
    action.add_argument("--check", action="store_true", help="only say which files are stale")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("config"), help="default: config")
    arguments = parser.parse_args()
    outdated = stale(arguments.folder)
    for name in outdated:
        if arguments.write:
            (arguments.folder / name).write_text(FILES[name](), encoding="utf-8")
        else:
            print(
                f"{arguments.folder / name}: stale; run with --write",
                file=sys.stderr,
            )
    return 1 if outdated and arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
