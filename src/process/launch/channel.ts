/** The channel between devwatch and the preload: a socket on a descriptor of the program, with one JSON value a line. */

import type { Duplex } from 'node:stream';
import type { OpenWork, PreloadMessage } from '../../preload/protocol.ts';
import { attempt } from '../../shared/errors.ts';
import { splitLines } from '../../shared/lines.ts';

/** The channel's descriptor in the program: the first after stdin, stdout and stderr. */
export const channelDescriptor = 3;

/** Name of the variable that holds the orders (preload/protocol.ts). */
export const channelVariable = 'DEVWATCH_CHANNEL';

/** The command in our messages on Node's IPC. Node never shows programs a message whose `cmd` begins with `NODE_`. */
export const ipcCommand = 'NODE_DEVWATCH';

/** Reads the preload's messages; invalid ones are ignored, because the program can write to the descriptor itself. */
export function readMessages(stream: Duplex, onMessage: (message: PreloadMessage) => void): void {
  const onLine = (line: string): void => {
    const message = attempt((): unknown => JSON.parse(line));
    if (isMessage(message)) onMessage(message);
  };
  stream.setEncoding('utf8').on('data', splitLines(onLine));
  // The program was killed before it had read an answer.
  stream.on('error', () => {});
}

const isText = (value: unknown): value is string => typeof value === 'string';
const isTexts = (value: unknown): value is readonly string[] => Array.isArray(value) && value.every(isText);
const isNumber = (value: unknown): value is number => typeof value === 'number';

/** Whether an optional field is one of these texts. */
const isAmong = (texts: readonly unknown[], value: unknown): boolean => value === undefined || texts.includes(value);

const checks: Readonly<Record<PreloadMessage['type'], (fields: Readonly<Record<string, unknown>>) => boolean>> = {
  begins: () => true,
  'reads-stdin': () => true,
  'leaves-stdin': () => true,
  loads: ({ file }) => isText(file),
  facts: ({ facts }) => isFacts(facts),
  loading: ({ index }) => isNumber(index),
  loaded: ({ index, report }) => isNumber(index) && isReport(report),
  linked: ({ index, files }) => isNumber(index) && isTexts(files),
  audited: ({ tainted, imported = [], modules = [], needs = {} }) =>
    [tainted, imported, modules, ...Object.values(fieldsOf(needs))].every(isTexts),
  misfit: ({ file, why, learned }) => isText(file) && isText(why) && isTexts(learned),
  parked: ({ files }) => isTexts(files),
  listens: ({ id, key, port, path, host, protocol, role }) =>
    isText(id) &&
    isText(key) &&
    (port === undefined || isNumber(port)) &&
    (path === undefined || isText(path)) &&
    (host === undefined || isText(host)) &&
    isAmong(['http', 'https'], protocol) &&
    isAmong(['named', 'auxiliary', 'other'], role),
  closes: ({ id }) => isText(id),
  unclaimed: ({ id }) => isText(id),
  holds: ({ socket }) => isSocket(socket),
  drained: ({ signalsItself }) => typeof signalsItself === 'boolean',
  leaves: ({ pids }) => Array.isArray(pids) && pids.every(isNumber),
  deaf: () => true,
  ended: () => true,
  'open-work': ({ work }) => isOpenWork(work),
  pong: ({ ping }) => isNumber(ping),
  'address-in-use': ({ port }) => isNumber(port),
  uncaught: ({ fault, missing, thrown = [] }) =>
    faults.includes(fault) && (missing === undefined || isMissingModule(missing)) && areThrown(thrown),
};

const faults: readonly unknown[] = [undefined, 'defect', 'uncaught-error'];

const fieldsOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? { ...value } : {};

function isFacts(value: unknown): boolean {
  const { entries, variables, own, differed = [], learned, isCommonJs } = fieldsOf(value);
  return (
    typeof isCommonJs === 'boolean' &&
    Array.isArray(entries) &&
    entries.map(fieldsOf).every(({ file, kind }) => isText(file) && (kind === 'require' || kind === 'import')) &&
    Object.values(fieldsOf(variables)).every((one) => one === null || isText(one)) &&
    Array.isArray(own) &&
    own.map(fieldsOf).every(isOwnFile) &&
    isTexts(differed) &&
    (learned === undefined || isTexts(learned))
  );
}

const isOwnFile = ({ file, parent, entriesBefore }: Readonly<Record<string, unknown>>): boolean =>
  isText(file) && (parent === undefined || isText(parent)) && isNumber(entriesBefore);

function isReport(value: unknown): boolean {
  const {
    file,
    ms,
    files,
    blames,
    effects,
    touches,
    variables,
    calls = [],
    accessors = [],
    readsFolder,
  } = fieldsOf(value);
  return (
    isText(file) &&
    isNumber(ms) &&
    isAmong([true, false], readsFolder) &&
    [files, effects, touches, variables, calls, accessors].every(isTexts) &&
    Array.isArray(blames) &&
    blames.map(fieldsOf).every((blame) => isText(blame.file) && isText(blame.why))
  );
}

const isMissingModule = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  'request' in value &&
  isText(value.request) &&
  (!('from' in value) || isText(value.from));

const areThrown = (values: unknown): boolean =>
  Array.isArray(values) &&
  values.map(fieldsOf).every(({ name, message, stack }) => [name, message, stack].every(isText));

const isSocket = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  'id' in value &&
  isText(value.id) &&
  'key' in value &&
  isText(value.key) &&
  'slot' in value &&
  isNumber(value.slot);

const isOpenWork = (value: unknown): value is OpenWork => {
  if (typeof value !== 'object' || value === null) return false;
  const work: Readonly<Record<string, unknown>> = { ...value };
  const areNumbers = ['eventStreams', 'responses', 'webSockets', 'connections', 'timers'].every((key) =>
    isNumber(work[key]),
  );
  const { servers, remotes } = work;
  return (
    areNumbers && Array.isArray(servers) && servers.every(isNumber) && Array.isArray(remotes) && remotes.every(isText)
  );
};

const isType = (type: unknown): type is PreloadMessage['type'] => isText(type) && Object.hasOwn(checks, type);

const isMessage = (value: unknown): value is PreloadMessage =>
  typeof value === 'object' &&
  value !== null &&
  'type' in value &&
  isType(value.type) &&
  checks[value.type]({ ...value });
