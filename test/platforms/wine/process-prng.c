/* bcryptprimitives.dll for Wine 8, which lacks it: programs in Go and Rust, such as esbuild, take random bytes from it. */
#include <windows.h>

/* RtlGenRandom of advapi32. */
BOOLEAN WINAPI SystemFunction036(PVOID bytes, ULONG length);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE bytes, SIZE_T length) {
  return SystemFunction036(bytes, (ULONG)length);
}
