# SPDX-License-Identifier: Apache-2.0
"""How Messages reach a collector: one module per transport protocol."""
