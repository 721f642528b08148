/* Sends Ctrl-C to all processes of its console, as a key in the window does. Wine has no pseudo-consoles to type into. */
#include <windows.h>

int main(void) {
  SetConsoleCtrlHandler(NULL, TRUE);
  return GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0) ? 0 : 1;
}
