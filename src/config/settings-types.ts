/** The types of settings, derived from the table of options. */

import type { KindWithDefault, OptionKey, OptionRow, OptionTable } from './options.ts';
import type { Reaction } from './reactions.ts';

/** When a program counts as healthy; times in ms. */
export interface Health {
  /** `http://…`, `https://…`, `tcp://host:port` or `event-loop`. */
  readonly probe: string;
  readonly interval: number;
  readonly timeout: number;
  /** Failures in a row after which the program is unhealthy. */
  readonly failures: number;
  /** Failures before the first answer do not count for this long after the start of a run. */
  readonly grace: number;
  readonly failOn: readonly FailureKind[];
}

export type HealthInput = { readonly probe: string; readonly failOn?: readonly FailureKind[] } & {
  readonly [Key in 'interval' | 'timeout' | 'grace' | 'failures']?: number | string;
};

export type FailureKind = 'refused' | 'timeout' | 'reset' | 'unreachable' | 'status' | 'closed';

export type HookName = 'start' | 'ready' | 'restart' | 'change' | 'crash' | 'exit';

/** A text is split into words, a list is used as it is; only `shell` is run by a shell. */
export type HookCommand = string | readonly string[] | { readonly shell: string };

export type Hooks = Readonly<Partial<Record<HookName, HookCommand>>>;

type ListKind = 'texts' | 'paths' | 'globs' | 'extensions';

export type Selection = 'auto' | boolean | readonly string[] | { readonly except: readonly string[] };

/** The value that each kind of option has once it has been read. */
type KindValues = Record<'text' | 'path' | 'readiness' | 'schedule', string> &
  Record<ListKind, readonly string[]> &
  Record<'duration' | 'count' | 'size', number> & {
    switch: boolean;
    /** `auto`: as far as it does no harm. */
    selection: Selection;
    port: boolean | number;
    /** A port on 127.0.0.1, or `host:port`. */
    address: boolean | number | string;
    health: Health;
    hooks: Hooks;
    reaction: Reaction;
    signal: NodeJS.Signals | 'message';
    commands: Readonly<Record<string, string | readonly string[]>>;
    variables: Readonly<Record<string, string>>;
  };

type ValueOf<Spec extends OptionRow> = Spec extends { kind: 'choice'; choices: readonly (infer Choice)[] }
  ? Choice
  : Spec extends { kind: 'choices'; choices: readonly (infer Choice)[] }
    ? readonly Choice[]
    : Spec['kind'] extends keyof KindValues
      ? KindValues[Spec['kind']]
      : never;

/** The value, or undefined for an option that has no default. */
type SettingOf<Spec extends OptionRow> = Spec extends { default: unknown } | { kind: KindWithDefault }
  ? ValueOf<Spec>
  : ValueOf<Spec> | undefined;

/** All options with their values; durations are in ms, sizes in bytes. Frozen. */
export type Settings = { readonly [Key in OptionKey]: SettingOf<OptionTable[Key]> };

/** The values that users may write for an option: durations also as text, lists also as one text. */
type InputOf<Spec extends OptionRow> = Spec['kind'] extends 'duration' | 'size'
  ? number | string
  : Spec['kind'] extends 'health'
    ? string | HealthInput
    : Spec['kind'] extends ListKind | 'choices'
      ? string | readonly string[]
      : ValueOf<Spec>;

/** Any of the options, as `.watchrc` and the API take them. */
export type SettingsInput = { readonly [Key in OptionKey]?: InputOf<OptionTable[Key]> | undefined };
