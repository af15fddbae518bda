# SPDX-License-Identifier: Apache-2.0
"""`python -m spanflow` is the command `spanflow`."""

import sys

from spanflow.cli.main import main

sys.exit(main())
