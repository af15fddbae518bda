// SPDX-License-Identifier: Apache-2.0
// Starts Spanflow in a container as a user that is not root, with CAP_NET_RAW if the container has it.
//
// A container engine gives capabilities to such a user only as a bound for what files may grant. This file has
// `cap_net_raw=p` and passes the capability on as an ambient one, which outlives execve(); the daemon gives it up
// once its sockets are open. Granting it to the interpreter instead would give it to every script.
// Not `=ep`: with that, execve() refuses where the container lacks the capability, `--version` included.

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

// A fixed path: whoever may start this must not choose what gets the capability.
#ifndef SPANFLOW_PYTHON
#define SPANFLOW_PYTHON "/opt/spanflow/bin/python"
#endif

enum { EX_OSERR = 71 };  // sysexits.h

// The ambient set takes what is both permitted and inheritable; see capabilities(7). Root needs none of it.
static int pass_on_net_raw(void) {
  if (geteuid() == 0) return 0;
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
  memset(data, 0, sizeof data);
  if (syscall(SYS_capget, &header, data) != 0) return -1;
  if ((data[0].permitted & (1U << CAP_NET_RAW)) == 0) return 0;  // the daemon says what is missing, and how to grant it
  data[0].inheritable |= 1U << CAP_NET_RAW;
  if (syscall(SYS_capset, &header, data) != 0) return -1;
  return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0);
}

int main(int argc, char** argv) {
  if (pass_on_net_raw() != 0) {
    fprintf(stderr,
            "spanflow: cannot pass on CAP_NET_RAW: %s; start the container as user 0 and set SPANFLOW_PROCESS_USER\n",
            strerror(errno));
    return EX_OSERR;
  }
  // -I: no variable of the environment and no file of the working directory adds code.
  char* fixed[] = {SPANFLOW_PYTHON, "-I", "-m", "spanflow"};
  const size_t count = sizeof fixed / sizeof fixed[0];
  char** command = calloc(count + (size_t)argc + 1, sizeof *command);
  if (command == NULL) return EX_OSERR;
  memcpy(command, fixed, sizeof fixed);
  for (int i = 1; i < argc; ++i) command[count + (size_t)i - 1] = argv[i];
  execv(command[0], command);
  fprintf(stderr, "spanflow: cannot run %s: %s; the image is incomplete\n", command[0], strerror(errno));
  return EX_OSERR;
}
