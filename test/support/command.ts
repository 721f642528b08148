import type { Command } from '../../src/process/launch/command.ts';

/** A command of which a test says only what matters to it. */
export const createCommand = (given: Partial<Command> = {}): Command => ({
  file: process.execPath,
  nodeArgs: [],
  args: [],
  variables: {},
  envFiles: [],
  display: '',
  needs: [],
  script: undefined,
  extensions: [],
  isNode: true,
  obstacle: undefined,
  endsByDesign: false,
  notes: [],
  ...given,
});
