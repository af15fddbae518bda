# SPDX-License-Identifier: Apache-2.0
"""Read goldens."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from golden.describe import read_result, read_settings
from reference import Result

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Golden:
    """A golden capture: `settings` are the keyword arguments of reference.meter, `result` is what must come
    out.
    """

    name: str
    about: str
    capture: Path
    settings: dict[str, Any]
    result: Result


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def load(name: str) -> Golden:
    document = json.loads((FOLDER / f"{name}.json").read_text())
    return Golden(
        name=name,
        about=document["about"],
        capture=FOLDER / document["capture"],
        settings=read_settings(document["settings"]),
        result=read_result(document),
    )
