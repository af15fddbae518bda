# SPDX-License-Identifier: Apache-2.0
"""From the name of a plugin to the plugin: `module:attribute`, or `/path/file.py:attribute`.

To load one runs its code, with all that this process may do.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from spanflow.config.wording import nearest, quoted, shown
from spanflow.errors import PluginError
from spanflow.plugins.declaration import FlowPlugin, columns_of
from spanflow.plugins.foreign import FOREIGN_ERRORS, described


def load_plugin(name: str, options: Mapping[str, Any] | None = None) -> FlowPlugin:
    """The plugin of this name; a class is made with `options`. Raises PluginError, on one line."""
    origin, colon, attribute = name.rpartition(":")
    if not colon or not origin or not attribute.isidentifier():
        raise PluginError(
            f"plugin {shown(name)}: is no name of a plugin; write module:attribute or /path/file.py:attribute"
        )
    is_file = "/" in origin or origin.endswith(".py")
    module = _file(name, Path(origin)) if is_file else _module(name, origin)
    found = getattr(module, attribute, None)
    if found is None:
        public = [each for each in vars(module) if not each.startswith("_")]
        near = nearest(attribute, public)
        advice = f"did you mean {near}?" if near else "check the name after the colon"
        raise PluginError(f"plugin {shown(name)}: there is no {attribute} in {shown(origin, 300)}; {advice}")
    if isinstance(found, type):
        found = make(name, found, options or {})
    elif options:
        raise PluginError(f"plugin {shown(name)}: only a class takes options; remove them")
    columns_of(shown(name), found)
    plugin: FlowPlugin = found
    return plugin


def make(name: str, cls: Callable[..., Any], options: Mapping[str, Any]) -> Any:
    """An object of a plugin's class. Raises PluginError with what the class says about its options."""
    try:
        return cls(**options)
    except FOREIGN_ERRORS as error:
        advice = "check its options" if options else "does it need options?"
        raise PluginError(f"plugin {shown(name)}: cannot be made: {described(error)}; {advice}") from error


def _module(name: str, origin: str) -> ModuleType:
    if not all(part.isidentifier() for part in origin.split(".")):
        raise PluginError(f"plugin {shown(name)}: {quoted(origin)} is no name of a module; check it")
    try:
        return importlib.import_module(origin)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{origin}.".startswith(f"{error.name}."):
            raise _broken(name, error) from error  # found, but not what it imports
        raise PluginError(
            f"plugin {shown(name)}: there is no module {error.name}; install it where spanflow is installed,"
            " or write the path of its file"
        ) from error
    except FOREIGN_ERRORS as error:
        raise _broken(name, error) from error


def _file(name: str, path: Path) -> ModuleType:
    """The module in a file. Files that have not changed meanwhile are loaded once."""
    try:
        resolved = path.resolve(strict=True)
        status = resolved.stat()
        resolved.open("rb").close()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        advice = "check the path, and that process.user may read it"
        raise PluginError(f"plugin {shown(name)}: cannot be read: {reason}; {advice}") from error
    version = f"{resolved} {status.st_mtime_ns} {status.st_size}".encode()
    module_name = f"spanflow_plugin_{hashlib.sha256(version).hexdigest()[:16]}"
    if module_name in sys.modules:
        return sys.modules[module_name]
    specification = importlib.util.spec_from_file_location(module_name, resolved)
    if specification is None or specification.loader is None:
        raise PluginError(f"plugin {shown(name)}: is no Python file; its name must end in .py")
    module = importlib.util.module_from_spec(specification)
    sys.modules[module_name] = module  # as dataclasses and pickle want it, before it runs
    try:
        specification.loader.exec_module(module)
    except FOREIGN_ERRORS as error:
        del sys.modules[module_name]
        raise _broken(name, error) from error
    return module


def _broken(name: str, error: BaseException) -> PluginError:
    return PluginError(f"plugin {shown(name)}: cannot be imported: {described(error)}; repair its code")
