/**
 * The files of this package that run in other processes: the guardian's program and the preload. devwatch carries their
 * texts, because a reinstallation may remove the files, or replace them by those of another version.
 */

import { require } from './require.ts';

/** Names of the files, relative to `dist`, and their texts. */
export const ownTexts = (): ReadonlyMap<string, Buffer> =>
  new Map(Object.entries(encodedTexts()).map(([name, text]) => [name, Buffer.from(text, 'base64')]));

const encodedTexts = (): Readonly<Record<string, string>> => require('../../dist/own-texts.json');
