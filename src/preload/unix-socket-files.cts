/** The files of Unix sockets: libuv removes a file with the socket that it was made for, and with no other. */

const fs = require('node:fs') as typeof import('node:fs');

/** Returns device and inode, which distinguish a file from a later one of the same name; empty if it is missing. */
function fileIdentityOf(file: string | undefined): string {
  try {
    const { dev, ino } = fs.statSync(file ?? '');
    return `${dev}:${ino}`;
  } catch {
    return '';
  }
}

/** Closes a socket but keeps its file. */
function closeKeepingFile(file: string, close: () => void): void {
  const aside = `${file}.${process.pid}`;
  try {
    fs.linkSync(file, aside);
  } catch {
    close(); // The file was removed already, or the socket is abstract.
    return;
  }
  close();
  fs.renameSync(aside, file);
}

function removeFile(file: string): void {
  try {
    fs.unlinkSync(file);
  } catch {
    // The file was removed already, or the socket is abstract.
  }
}

export type { closeKeepingFile, fileIdentityOf, removeFile };

module.exports = { closeKeepingFile, fileIdentityOf, removeFile };
