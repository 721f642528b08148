/**
 * The files of this package that run in other processes: the guardian's program and the preload. devwatch carries their
 * texts, because a reinstallation may remove the files, or replace them by those of another version.
 */

import { require } from './require.ts';

interface OwnFiles {
  /** Changes with the texts. */
  readonly id: string;
  /** Sizes in bytes, by the paths of the files in `dist`. */
  readonly sizes: Readonly<Record<string, number>>;
}

/** The files without their texts, which a launch does not need. */
export const ownFiles = (): OwnFiles => require('../../dist/own-files.json');

/** Returns the text of a file by its path in `dist`. */
export function ownText(name: string): Buffer {
  const texts: Readonly<Record<string, string>> = require('../../dist/own-texts.json');
  return Buffer.from(texts[name] ?? '', 'base64');
}
