/**
 * The files of this package that run in other processes: the guardian's program and the preload. devwatch carries their
 * texts, because a reinstallation may remove the files, or replace them by those of another version.
 */

import { require } from './require.ts';

interface PreloadFiles {
  /** Changes with the texts. */
  readonly id: string;
  /** Sizes in bytes, by the paths of the files in `dist/preload`. */
  readonly sizes: Readonly<Record<string, number>>;
}

/** The files of the preload without their texts, which a launch does not need. */
export const preloadFiles = (): PreloadFiles => require('../../dist/own-preload-files.json');

/** Returns the text of a file of the preload. It is compressed, because it is rarely needed. */
export function preloadText(name: string): Buffer {
  const texts: Readonly<Record<string, string>> = require('../../dist/own-preload-texts.json');
  const { inflateRawSync } = require('node:zlib') as typeof import('node:zlib');
  return inflateRawSync(Buffer.from(texts[name] ?? '', 'base64'));
}

/** Returns the guardian's program. */
export function guardianText(): string {
  const { text }: { readonly text: string } = require('../../dist/own-guardian.json');
  return Buffer.from(text, 'base64').toString('latin1');
}
