/* A name service with one switch: names that end in ".taskwatch.test" lead to this machine while the file is there that
   TASKWATCH_TEST_NAMES names, and to nowhere while it is not. Preloaded; it keeps nothing, so any number of threads may
   ask at once. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int ask(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    static const char ours[] = ".taskwatch.test";
    size_t length = node ? strlen(node) : 0, end = sizeof ours - 1;
    if (length > end && strcmp(node + length - end, ours) == 0) {
        const char *known = getenv("TASKWATCH_TEST_NAMES");
        if (!known || access(known, F_OK) != 0)
            return EAI_NONAME;
        node = "127.0.0.1";
    }
    ask *real;
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    return real(node, service, hints, found);
}
