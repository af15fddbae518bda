# SPDX-License-Identifier: Apache-2.0
"""Write all goldens and the demo capture from their recipes: python -m golden.regenerate.

The expected Flow Records are those of the reference engine; whoever commits them has read the difference.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import reference
from golden.demo import demo_capture
from golden.describe import describe_result, describe_settings
from golden.layout import lay_out
from golden.load import FOLDER
from golden.recipe import DEFAULT_SETTINGS, Recipe
from golden.recipes import all_recipes

DEMO = FOLDER.parents[1] / "config" / "demo.pcap"


def golden_files() -> dict[str, bytes]:
    """File name → octets, captures and descriptions."""
    files = {}
    for name, recipe_of in all_recipes().items():
        recipe = recipe_of()
        capture = name + recipe.suffix
        files[capture] = recipe.octets
        document = {
            "about": " ".join((recipe_of.__doc__ or "").split()),
            "capture": capture,
            "settings": describe_settings(recipe.settings),
            **describe_result(expected(recipe)),
        }
        files[name + ".json"] = (lay_out(document) + "\n").encode()
    return files


def expected(recipe: Recipe) -> reference.Result:
    """What the reference engine makes of a recipe."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / ("capture" + recipe.suffix)
        path.write_bytes(recipe.octets)
        return reference.meter([path], **DEFAULT_SETTINGS | recipe.settings)


def main() -> None:
    files = golden_files()
    for path in FOLDER.glob("*"):
        if path.suffix in (".pcap", ".pcapng", ".json") and path.name not in files:
            path.unlink()
    for name, octets in files.items():
        (FOLDER / name).write_bytes(octets)
    DEMO.write_bytes(demo_capture())


if __name__ == "__main__":
    main()
