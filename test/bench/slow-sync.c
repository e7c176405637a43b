/* cc -shared -fPIC -O2. Counts the fsync and fdatasync calls of a process and adds a wait to each, both in the file named by
   PALYRA_BENCH_SYNC: a RAM file system becomes a disk whose speed is known. The wait sleeps, as one for a disk does. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct control {
  uint32_t wait_us;
  uint32_t unused;
  uint64_t calls;
};
static struct control *control;

__attribute__((constructor)) static void attach(void) {
  const char *path = getenv("PALYRA_BENCH_SYNC");
  int fd = path == NULL ? -1 : open(path, O_RDWR);
  if (fd < 0) return;
  void *page = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (page != MAP_FAILED) control = page;
}

static int slowly(const char *name, int fd) {
  int result = ((int (*)(int))dlsym(RTLD_NEXT, name))(fd);
  if (control == NULL) return result;
  __atomic_fetch_add(&control->calls, 1, __ATOMIC_RELAXED);
  struct timespec wait = {.tv_sec = 0, .tv_nsec = (long)control->wait_us * 1000};
  if (wait.tv_nsec > 0) nanosleep(&wait, NULL);
  return result;
}

int fsync(int fd) { return slowly("fsync", fd); }
int fdatasync(int fd) { return slowly("fdatasync", fd); }
