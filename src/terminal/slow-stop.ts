/** Renders what an old run waits for that does not end. */

import type { OpenWork } from '../preload/protocol.ts';
import type { EventOf, Remainder } from '../shared/events.ts';
import { formatCommand, formatCount } from './format.ts';

/** Of the processes and addresses, only the first ones are named. */
const maxNames = 3;

/** Returns a line with the cause and two remedies; undefined if nothing is known. */
export function describeRemainder({ waitsFor, signal }: EventOf<'slowStop'>): string | undefined {
  const causes = causesOf(waitsFor);
  if (causes.length === 0) return undefined;
  return `it waits for ${causes.join(', ')} · ${remedyFor(waitsFor, signal)}--kill-timeout 500ms`;
}

function causesOf({ debugger: port, processes, work }: Remainder): string[] {
  const named = processes.map(({ pid, command }) => `pid ${pid} (${formatCommand(command)})`);
  const ofDebugger = port === undefined ? [] : [`the debugger on port ${port}`];
  if (work === undefined) return [...ofDebugger, ...shorten(named)];
  // At a breakpoint the event loop is blocked as well.
  if (work === 'none')
    return [...(port === undefined ? ['its event loop, which is blocked'] : ofDebugger), ...shorten(named)];
  const counts = [
    [work.eventStreams, 'event stream'],
    [work.responses, 'response'],
    [work.webSockets, 'WebSocket'],
    [work.connections, 'other connection'],
    [work.timers, 'timer'],
  ] as const;
  return [
    ...ofDebugger,
    ...counts.flatMap(([count, name]) => (count === 0 ? [] : formatCount(count, name))),
    ...shorten(work.servers.map((at) => `its server on port ${at}`)),
    ...shorten(work.remotes.map((address) => `its connection to ${address}`)),
    ...(work.readsStdin ? ['stdin'] : []),
    ...shorten(named),
  ];
}

const shorten = (names: readonly string[]): string[] =>
  names.length <= maxNames ? [...names] : [...names.slice(0, maxNames), `${names.length - maxNames} more`];

function remedyFor({ debugger: port, processes, work }: Remainder, signal: EventOf<'slowStop'>['signal']): string {
  const call = typeof work === 'object' ? callFor(work) : undefined;
  if (call === undefined && port !== undefined) return 'disconnect it, or ';
  if (call === undefined && processes.length === 0) return '';
  const when = signal === 'message' ? 'on "shutdown"' : `on ${signal}`;
  return `end that ${when}${call === undefined ? '' : `, by ${call}`}, or `;
}

function callFor({
  eventStreams,
  responses,
  connections,
  webSockets,
  servers,
  ...others
}: OpenWork): string | undefined {
  if (eventStreams + responses + connections > 0) return 'server.closeAllConnections()';
  if (webSockets > 0) return 'closing the WebSockets';
  if (servers.length > 0) return 'server.close()';
  return others.timers > 0 || others.remotes.length > 0 || others.readsStdin ? 'process.exit' : undefined;
}
