// SPDX-License-Identifier: Apache-2.0
// What a process may do beyond its user: given up for good.
#pragma once

namespace spanflow {

// Drops every capability of the calling thread, also from the bounding and ambient sets, and all that a later execve()
// could gain. Threads that it starts from now on have none either. Throws std::system_error.
void drop_capabilities();

}  // namespace spanflow
