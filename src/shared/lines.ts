/**
 * Splits text that arrives in chunks into lines.
 *
 * @param onLine called with each complete line, without its line feed
 * @returns a function that takes the next chunk
 */
export function splitLines(onLine: (line: string) => void): (chunk: string) => void {
  let rest = '';
  return (chunk) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) onLine(line);
  };
}
