# SPDX-License-Identifier: Apache-2.0
"""Configuration: every setting declared once (`schema`), read with located errors (`load`)."""
