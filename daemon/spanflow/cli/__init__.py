# SPDX-License-Identifier: Apache-2.0
"""The command line: `main` chooses the subcommand; each is one file with `add_parser` and `run`."""
