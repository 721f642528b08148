/*
 * Stands in for Windows' taskkill in Wine 8, whose own one does not know /T: `taskkill /T /F /PID n` terminates a
 * process and its descendants, which are found by their parents; /PID may be repeated. Prints and returns what Windows'
 * taskkill does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>
#include <tlhelp32.h>

enum { MAX_PROCESSES = 8192 };

static PROCESSENTRY32 processes[MAX_PROCESSES];
static int count;

static void list_processes(void) {
  HANDLE snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
  if (snapshot == INVALID_HANDLE_VALUE) return;
  processes[0].dwSize = sizeof processes[0];
  BOOL more = Process32First(snapshot, &processes[0]);
  while (more && count + 1 < MAX_PROCESSES) {
    count += 1;
    processes[count].dwSize = sizeof processes[count];
    more = Process32Next(snapshot, &processes[count]);
  }
  CloseHandle(snapshot);
}

/* The time of creation; 0 if the process is gone. A child is younger than its parent, unless the pid was reused. */
static ULONGLONG created(DWORD pid) {
  FILETIME creation, exit, kernel, user;
  ULONGLONG time = 0;
  HANDLE process = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, pid);
  if (process == NULL) return 0;
  if (GetProcessTimes(process, &creation, &exit, &kernel, &user)) {
    time = ((ULONGLONG)creation.dwHighDateTime << 32) | creation.dwLowDateTime;
  }
  CloseHandle(process);
  return time;
}

static int terminate(DWORD pid) {
  HANDLE process = OpenProcess(PROCESS_TERMINATE, FALSE, pid);
  if (process == NULL) return 0;
  int done = TerminateProcess(process, 1);
  CloseHandle(process);
  if (done) printf("SUCCESS: The process with PID %lu has been terminated.\n", pid);
  return done;
}

static void terminate_descendants(DWORD pid) {
  ULONGLONG parent = created(pid);
  for (int i = 0; i < count; i += 1) {
    DWORD child = processes[i].th32ProcessID;
    if (processes[i].th32ParentProcessID != pid || child == pid || created(child) < parent) continue;
    terminate_descendants(child);
    terminate(child);
  }
}

static int end(DWORD pid, int with_tree, int by_force) {
  int exists = 0;
  for (int i = 0; i < count; i += 1) exists |= processes[i].th32ProcessID == pid;
  if (!exists) {
    fprintf(stderr, "ERROR: The process \"%lu\" not found.\n", pid);
    return 128;
  }
  if (!by_force) {
    fprintf(stderr, "ERROR: The process with PID %lu could not be terminated.\n", pid);
    fprintf(stderr, "Reason: This process can only be terminated forcefully (with /F option).\n");
    return 1;
  }
  if (with_tree) terminate_descendants(pid);
  return terminate(pid) ? 0 : 1;
}

int main(int argc, char **argv) {
  int with_tree = 0, by_force = 0, status = 0;
  for (int i = 1; i < argc; i += 1) {
    with_tree |= _stricmp(argv[i], "/t") == 0;
    by_force |= _stricmp(argv[i], "/f") == 0;
  }
  list_processes();
  for (int i = 1; i + 1 < argc; i += 1) {
    if (_stricmp(argv[i], "/pid") != 0) continue;
    int result = end(strtoul(argv[i + 1], NULL, 10), with_tree, by_force);
    if (result != 0) status = result;
  }
  return status;
}
