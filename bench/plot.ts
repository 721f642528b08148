/** Draws small SVG plots that can be read on light and on dark pages. */

export interface Series {
  readonly label: string;
  /** From left to right; both coordinates are positive. */
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface LinePlot {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  /** The first one is emphasized. */
  readonly series: readonly Series[];
}

export interface Bar {
  readonly label: string;
  readonly value: number;
  /** The value as text. */
  readonly text: string;
}

export interface BarPlot {
  readonly title: string;
  /** The first one is emphasized. */
  readonly bars: readonly Bar[];
}

export interface GroupPlot {
  readonly title: string;
  /** The first bar of each group is emphasized. */
  readonly groups: readonly { readonly label: string; readonly bars: readonly Bar[] }[];
}

const width = 760;
const lineHeight = 18;
const light = ['#0969da', '#1a7f37', '#9a6700', '#bc4c00', '#cf222e', '#8250df', '#57606a'];
const dark = ['#58a6ff', '#3fb950', '#d29922', '#f0883e', '#ff7b72', '#bc8cff', '#8b949e'];

/** Draws a line per series; both axes are logarithmic. */
export function drawLines({ title, xLabel, yLabel, series }: LinePlot): string {
  const [left, right, top, bottom, height] = [70, width - 190, 56, 372, 430];
  const xs = distinct(series.flatMap(({ points }) => points.map(([x]) => x)));
  const ys = series.flatMap(({ points }) => points.map(([, y]) => y));
  const decades = { from: Math.floor(Math.log10(Math.min(...ys))), to: Math.ceil(Math.log10(Math.max(...ys))) };
  const xOf = logScale(xs[0] ?? 1, xs.at(-1) ?? 1, left + 24, right - 24);
  const yOf = logScale(10 ** decades.from, 10 ** decades.to, bottom, top);

  const grid: string[] = [];
  for (let decade = decades.from; decade <= decades.to; decade += 1) {
    const y = yOf(10 ** decade);
    grid.push(`<path class="grid" d="M${left} ${y}H${right}"/>`);
    grid.push(text(left - 8, y + 4, format(10 ** decade), 'end'));
  }
  let lastTick = Number.NEGATIVE_INFINITY;
  for (const x of xs) {
    if (xOf(x) - lastTick < 50) continue; // The numbers would touch.
    lastTick = xOf(x);
    grid.push(`<path class="grid" d="M${lastTick} ${bottom}v6"/>`, text(lastTick, bottom + 22, format(x), 'middle'));
  }

  const ends = series.map(({ points }) => yOf(points.at(-1)?.[1] ?? 1));
  const labels = apart(ends, bottom);
  const lines = series.map(({ label, points }, index) => {
    const places = points.map(([x, y]) => `${xOf(x)} ${yOf(y)}`);
    const dots = points.map(([x, y]) => `<circle cx="${xOf(x)}" cy="${yOf(y)}" r="3.5"/>`);
    const y = labels[index] ?? 0;
    // From the last point to the label, which may have been moved.
    const lead = `<path class="lead" d="M${places.at(-1) ?? '0 0'}L${right + 4} ${y}"/>`;
    const name = text(right + 10, y + 4, label);
    return `<g class="${classOf(index)}"><path class="line" d="M${places.join('L')}"/>${lead}${dots.join('')}${name}</g>`;
  });

  const axis = `<path class="axis" d="M${left} ${top}V${bottom}H${right}"/>`;
  const middle = (top + bottom) / 2;
  const yName = `<g transform="rotate(-90 18 ${middle})">${text(18, middle, yLabel, 'middle')}</g>`;
  const names = [text((left + right) / 2, bottom + 44, xLabel, 'middle'), yName];
  return svg(title, height, [...grid, axis, ...names, ...lines.reverse()]);
}

/** Draws a bar per line, from zero. */
export const drawBars = ({ title, bars }: BarPlot): string =>
  svg(title, 76 + bars.length * 30, barsAt(56, { bars, height: 20, gap: 10 }));

/** Draws groups of bars below each other, all of them to the same scale. */
export function drawGroups({ title, groups }: GroupPlot): string {
  const [height, gap, headHeight] = [13, 5, 40];
  const all = groups.flatMap(({ bars }) => bars);
  let y = 50;
  const parts = groups.flatMap(({ label, bars }) => {
    const head = `<g class="own">${text(20, y + 22, label)}</g>`;
    const drawn = barsAt(y + headHeight - 8, { bars, height, gap, all });
    y += headHeight + bars.length * (height + gap);
    return [head, ...drawn];
  });
  return svg(title, y + 16, parts);
}

interface BarsLayout {
  readonly bars: readonly Bar[];
  /** In pixels. */
  readonly height: number;
  readonly gap: number;
  /** The bars that have the same scale; by default these. */
  readonly all?: readonly Bar[];
}

/** Draws bars from this height on. */
function barsAt(top: number, { bars, height, gap, all = bars }: BarsLayout): string[] {
  const left = 30 + 7.2 * Math.max(...all.map(({ label }) => label.length));
  const room = width - left - 30 - 7.2 * Math.max(...all.map(({ text }) => text.length));
  const max = Math.max(...all.map(({ value }) => value));
  return bars.map((bar, index) => {
    const y = top + index * (height + gap);
    const length = round((bar.value / max) * room);
    const shape = `<rect x="${left}" y="${y}" width="${length}" height="${height}" rx="2"/>`;
    const line = y + height / 2 + 5;
    const words = [text(left - 8, line, bar.label, 'end'), text(left + length + 8, line, bar.text)];
    return `<g class="${index === 0 ? 's0 own' : 's6'}">${shape}${words.join('')}</g>`;
  });
}

/** Moves labels down, and up again from the bottom, until each has a line of its own. */
function apart(wanted: readonly number[], bottom: number): number[] {
  const order = [...wanted.keys()].sort((one, other) => (wanted[one] ?? 0) - (wanted[other] ?? 0));
  const places = [...wanted];
  let above = Number.NEGATIVE_INFINITY;
  for (const index of order) above = places[index] = Math.max(places[index] ?? 0, above + lineHeight);
  let below = bottom + lineHeight;
  for (const index of order.reverse()) below = places[index] = Math.min(places[index] ?? 0, below - lineHeight);
  return places;
}

function logScale(from: number, to: number, start: number, end: number): (value: number) => number {
  const span = Math.log(to / from) || 1;
  return (value) => round(start + (Math.log(value / from) / span) * (end - start));
}

const round = (value: number): number => Math.round(value * 10) / 10;

const distinct = (values: readonly number[]): number[] => [...new Set(values)].sort((one, other) => one - other);

const format = (value: number): string => value.toLocaleString('en-US', { maximumFractionDigits: 6 });

const classOf = (index: number): string => `s${index % light.length}${index === 0 ? ' own' : ''}`;

const escaped = (words: string): string =>
  words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

function text(x: number, y: number, words: string, anchor: 'start' | 'middle' | 'end' = 'start'): string {
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}">${escaped(words)}</text>`;
}

const palette = (page: string, ink: string, faint: string, colours: readonly string[]): string =>
  `.page{fill:${page}}text{fill:${ink}}.grid,.axis{stroke:${faint}}` +
  colours.map((colour, index) => `.s${index}{color:${colour}}`).join('');

function svg(title: string, height: number, parts: readonly string[]): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">
<title>${escaped(title)}</title>
<style>
text{font:13px system-ui,'Segoe UI',Helvetica,Arial,sans-serif}path{fill:none}.title,.own text{font-weight:600}.title{font-size:15px}
.line{stroke:currentColor;stroke-width:1.8}.own .line{stroke-width:3.5}.lead{stroke:currentColor;stroke-dasharray:2 4}circle,rect{fill:currentColor}
${palette('#ffffff', '#1f2328', '#d1d9e0', light)}
@media(prefers-color-scheme:dark){${palette('#0d1117', '#e6edf3', '#3d444d', dark)}}
</style>
<rect class="page" width="${width}" height="${height}" rx="8"/>
<text class="title" x="20" y="30">${escaped(title)}</text>
${parts.join('\n')}
</svg>
`;
}
