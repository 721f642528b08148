/** The names of what is done with programs in the background. Loaded at every launch: nothing else is here. */

export const managing = [
  'start',
  'stop',
  'restart',
  'reload',
  'list',
  'ls',
  'status',
  'logs',
  'attach',
  'unit',
] as const;
export type Managing = (typeof managing)[number];

/** Tells the process that `devwatch start` makes which name it has been given. */
export const backgroundVariable = 'DEVWATCH_BACKGROUND';
