// Gives a program a clock that goes a sixtieth of a second each time it is read, so that it draws the same
// frames in each run, and writes what it shows to $FRAMES/frame-000001.ppm and so on, for runs without Omega.
// Ends the program after $COUNT swaps, each of which takes $PAUSE milliseconds longer than it would.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>
#include <GL/gl.h>

typedef struct _XDisplay Display;

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  static long ticks;
  (void)zone;
  ticks++;
  now->tv_sec = 1000000 + ticks / 60;
  now->tv_usec = ticks % 60 * 1000000 / 60;
  return 0;
}

static void write_frame(const char *folder, int number) {
  int place[4];
  char path[4096];
  glGetIntegerv(GL_VIEWPORT, place);
  int width = place[2], height = place[3];
  unsigned char *pixels = malloc((size_t)width * height * 3);
  glPixelStorei(GL_PACK_ALIGNMENT, 1);
  glReadBuffer(GL_BACK);
  glReadPixels(0, 0, width, height, GL_RGB, GL_UNSIGNED_BYTE, pixels);
  snprintf(path, sizeof path, "%s/frame-%06d.ppm", folder, number);
  FILE *file = fopen(path, "wb");
  fprintf(file, "P6\n%d %d\n255\n", width, height);
  for (int row = height - 1; row >= 0; row--)
    fwrite(pixels + (size_t)row * width * 3, 3, width, file);
  fclose(file);
  free(pixels);
}

void glXSwapBuffers(Display *display, unsigned long drawable) {
  static void (*swap)(Display *, unsigned long);
  static int number;
  const char *folder = getenv("FRAMES");
  const char *count = getenv("COUNT");
  number++;
  if (!swap) swap = (void (*)(Display *, unsigned long))dlsym(RTLD_NEXT, "glXSwapBuffers");
  const char *pause = getenv("PAUSE");
  if (folder) write_frame(folder, number);
  if (pause) usleep(atoi(pause) * 1000);
  swap(display, drawable);
  if (count && number >= atoi(count)) {
    glFinish();
    exit(0);
  }
}
