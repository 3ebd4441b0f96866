/* GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Stands in for any server: binds TCP port CORPUS_PORT, answers as CORPUS_TYPE, the unit's Type=, asks, and serves.
 * Its exit status is the errno of what failed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int listens(int port) {
  int one = 1;
  struct sockaddr_in any4 = {.sin_family = AF_INET, .sin_port = htons(port)};
  struct sockaddr_in6 any6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
  int four = socket(AF_INET, SOCK_STREAM, 0);
  int server = four < 0 ? socket(AF_INET6, SOCK_STREAM, 0) : four;
  struct sockaddr *any = four < 0 ? (struct sockaddr *)&any6 : (struct sockaddr *)&any4;
  if (server < 0) exit(errno);
  setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(server, any, four < 0 ? sizeof any6 : sizeof any4) || listen(server, 8)) exit(errno);
  return server;
}

/* sd_notify(3) */
static void notify(void) {
  const char *path = getenv("NOTIFY_SOCKET");
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  int out = socket(AF_UNIX, SOCK_DGRAM, 0);
  if (!path || out < 0 || strlen(path) >= sizeof to.sun_path) return;
  memcpy(to.sun_path, path, strlen(path));
  if (path[0] == '@') to.sun_path[0] = 0;
  sendto(out, "READY=1", 7, 0, (struct sockaddr *)&to, offsetof(struct sockaddr_un, sun_path) + strlen(path));
  close(out);
}

static void daemonize(void) {
  const char *path = getenv("CORPUS_PIDFILE");
  pid_t child = fork();
  if (child < 0) exit(errno);
  if (child > 0) {
    FILE *file = path && *path ? fopen(path, "w") : NULL;
    if (file) {
      fprintf(file, "%d\n", child);
      fclose(file);
    }
    _exit(0);
  }
  setsid();
}

int main(void) {
  const char *port = getenv("CORPUS_PORT"), *type = getenv("CORPUS_TYPE");
  if (!port) return ENODATA;
  int server = listens(atoi(port));
  if (type && !strcmp(type, "forking")) daemonize();
  notify();
  for (;;) {
    int client = accept(server, NULL, NULL);
    if (client < 0 && errno != EINTR && errno != ECONNABORTED) return errno;
    if (client < 0) continue;
    if (write(client, "here", 4) < 0) errno = 0;
    close(client);
  }
}
