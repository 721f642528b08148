/** Formats a time in ms for people: `18 ms`, `1.2 s`, `3 min 5 s`. */
export function formatTime(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(ms < 9950 ? 1 : 0).replace(/\.0$/, '')} s`;
  const seconds = Math.round(ms / 1000);
  return seconds % 60 === 0 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** Formats a time in ms as settings write it: `100ms`, `5s`. */
export const formatDuration = (ms: number): string => (ms >= 1000 && ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`);

/** Formats a number of bytes: `120 MB`. */
export const formatBytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MB`;
