#define _GNU_SOURCE
#include "NativeOracle.h"
#include "local.h"

#include <pthread.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/// What precedes code and memory in a request. Without both it asks whether the server can run anything.
typedef struct {
  NativeState state;
  uint64_t length, memory_size;
} Request;

/// What precedes memory in an answer.
typedef struct {
  NativeState state;
  int64_t vector;
} Answer;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int to_server = -1, from_server = -1, remote_available;

static int read_all(int fd, void *buffer, size_t count) {
  for (size_t done = 0; done < count;) {
    ssize_t got = read(fd, (uint8_t *)buffer + done, count - done);
    if (got <= 0) return -1;
    done += (size_t)got;
  }
  return 0;
}

static int write_all(int fd, const void *buffer, size_t count) {
  for (size_t done = 0; done < count;) {
    ssize_t put = write(fd, (const uint8_t *)buffer + done, count - done);
    if (put <= 0) return -1;
    done += (size_t)put;
  }
  return 0;
}

static int64_t ask(NativeState *state, const uint8_t *code, size_t length, uint8_t *memory, size_t memory_size) {
  Request request = {*state, length, memory_size};
  Answer answer;
  if (write_all(to_server, &request, sizeof request) != 0 || write_all(to_server, code, length) != 0 ||
      write_all(to_server, memory, memory_size) != 0 || read_all(from_server, &answer, sizeof answer) != 0 ||
      read_all(from_server, memory, memory_size) != 0)
    abort();
  *state = answer.state;
  return answer.vector;
}

static void start(void) {
  extern char **environ;
  const char *command = native_command();
  int down[2], up[2];
  if (pipe2(down, 0) != 0 || pipe2(up, 0) != 0) return;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, down[0], 0);
  posix_spawn_file_actions_adddup2(&actions, up[1], 1);
  for (int i = 0; i < 2; i++) {
    posix_spawn_file_actions_addclose(&actions, down[i]);
    posix_spawn_file_actions_addclose(&actions, up[i]);
  }
  char *arguments[] = {"/bin/sh", "-c", (char *)command, NULL};
  pid_t child;
  int failed = posix_spawn(&child, arguments[0], &actions, NULL, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(down[0]);
  close(up[1]);
  if (failed) return;
  to_server = down[1];
  from_server = up[0];
  NativeState state = {0};
  remote_available = ask(&state, NULL, 0, NULL, 0) == 0;
}

const char *native_command(void) {
  const char *command = getenv("CHRONOVISOR_ORACLE");
  return command != NULL && command[0] != 0 ? command : NULL;
}

int native_available(void) {
  if (native_command() == NULL) return local_available();
  pthread_once(&once, start);
  return remote_available;
}

int native_execute(NativeState *state, const uint8_t *code, size_t length, uint8_t *memory, size_t memory_size) {
  if (!native_available() || length > NATIVE_CODE_SIZE || memory_size > NATIVE_MEMORY_SIZE) abort();
  if (native_command() == NULL) return local_execute(state, code, length, memory, memory_size);
  pthread_mutex_lock(&lock);
  int result = (int)ask(state, code, length, memory, memory_size);
  pthread_mutex_unlock(&lock);
  return result;
}

int native_serve(int input, int output) {
  static uint8_t code[NATIVE_CODE_SIZE], memory[NATIVE_MEMORY_SIZE];
  Request request;
  while (read_all(input, &request, sizeof request) == 0) {
    if (request.length > sizeof code || request.memory_size > sizeof memory) return 1;
    if (read_all(input, code, request.length) != 0 || read_all(input, memory, request.memory_size) != 0) return 1;
    Answer answer = {request.state, 0};
    if (request.length == 0 && request.memory_size == 0)
      answer.vector = local_available() ? 0 : -1;
    else
      answer.vector = local_execute(&answer.state, code, request.length, memory, request.memory_size);
    if (write_all(output, &answer, sizeof answer) != 0 || write_all(output, memory, request.memory_size) != 0) return 1;
  }
  return 0;
}
