# SPDX-License-Identifier: Apache-2.0
"""Per-flow plugins: foreign code that adds columns to batches of Flow Records once they have expired."""
