/**
 * Finds saves of files that do not count only because of their extension: a person may wait for a restart that does not
 * come. Files that the program itself writes are no saves.
 */

import path from 'node:path';

export interface UnwatchedSavesOptions {
  /** Returns the bytes that the run has written to files so far; undefined where that is unknown. */
  readonly written: () => number | undefined;
  /** Whether a file counts (absolute). */
  readonly accepts: (file: string) => boolean;
  /** Receives the first file of each extension, absolute. */
  readonly onSave: (file: string, extension: string) => void;
}

/** A server does not read these again: texts for people, media, styles, logs and data that programs write. */
const unexpected = new Set(
  [
    'md mdx markdown txt rst adoc pdf doc docx odt rtf xls xlsx ppt pptx',
    'png jpg jpeg gif webp avif ico bmp svg mp3 mp4 webm ogg wav woff woff2 ttf otf eot psd fig',
    'css scss sass less styl',
    'log out err csv tsv ndjson jsonl db sqlite sqlite3 dump rdb aof pid sock lock seed',
    'example sample tmp temp swp swo swx bak orig rej old part crdownload cache map snap diff patch',
    'gz tgz zip tar bz2 xz 7z rar o a so node dylib dll exe class jar pyc wasm tsbuildinfo',
  ].flatMap((line) => line.split(' ')),
);

/** Pages that are sent as they are; elsewhere HTML may be a template, which many servers keep in memory. */
const isPage = (file: string): boolean => /[/\\](?:public|static)[/\\].*\.html?$/i.test(file);

/** Files of variables, which have their names before the extension. */
const variableFile = /^\.env(?:\.(?:local|development|development\.local))?$/;

export class UnwatchedSaves {
  readonly #options: UnwatchedSavesOptions;
  readonly #reported = new Set<string>();
  /** The count at the latest moment at which it was read. */
  #written: number | undefined;

  constructor(options: UnwatchedSavesOptions) {
    this.#options = options;
  }

  /** A run is about to begin: it has written nothing yet. */
  begin(): void {
    this.#written = this.#options.written();
  }

  /** Takes a file that has changed and whose extension is not watched. */
  changed(file: string): void {
    const isVariables = variableFile.test(path.basename(file));
    const extension = isVariables ? 'env' : path.extname(file).slice(1);
    // A backup, or a temporary file such as `server.js.new`, that will replace a file which counts.
    if (!isVariables && this.#options.accepts(file.slice(0, -extension.length - 1))) return;
    if (
      !/^[A-Za-z]\w{0,15}$/.test(extension) ||
      unexpected.has(extension.toLowerCase()) ||
      isPage(file) ||
      this.#reported.has(extension)
    )
      return;
    const before = this.#written;
    this.#written = this.#options.written();
    if (before !== this.#written) return;
    this.#reported.add(extension);
    this.#options.onSave(file, extension);
  }
}
