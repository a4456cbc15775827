/** The loss curve as SVG: training as it was measured and smoothed, validation as points, both named where they end. */
import type { Row } from './folder.ts'

export interface Chart {
  readonly title: string
  readonly subtitle: string
  /** Distinct characters: log of it is the loss of a guess among them. */
  readonly vocab: number
  readonly steps: number
}
const [WIDTH, HEIGHT] = [960, 560]
const PLOT = { left: 76, right: WIDTH - 150, top: 92, bottom: HEIGHT - 66 } as const
const INK = { text: '#1d2733', soft: '#66727f', grid: '#e6eaee', axis: '#b6bfc8', training: '#2b6cb0', validation: '#d9622b' } as const
/** More points than this can't be told apart. */
const MAX_POINTS = 1500
/** The share of the run that the smooth line averages over. */
const SPAN = 1 / 16

/** Round numbers from..to, about `count` steps of 1, 2 or 5 times a power of ten, widened to whole steps. */
export const ticks = (from: number, to: number, count: number): readonly number[] => {
  const rough = to > from ? (to - from) / count : 1
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = power * ([1, 2, 5].find((m) => m * power >= rough * (1 - 1e-9)) ?? 10)
  const [first, last] = [Math.floor(from / step + 1e-9), Math.ceil(to / step - 1e-9)]
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)))
}

/** A running mean over `span` points. The window grows from one point on, so that the first fall stays steep; at the end it is its older half. */
export const smooth = (ys: readonly number[], span: number): readonly number[] => {
  const sums = [0]
  for (const y of ys) sums.push(sums.at(-1)! + y)
  return ys.map((_, i) => {
    const reach = Math.floor(Math.min(span / 2, i / 3))
    const end = Math.min(ys.length, i + reach + 1)
    return (sums[end]! - sums[i - reach]!) / (end - i + reach)
  })
}

const at = (x: number): string => String(Math.round(x * 100) / 100)
const escape = (text: string): string => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`)
const line = (x1: number, y1: number, x2: number, y2: number, more: string): string =>
  `<line x1="${at(x1)}" y1="${at(y1)}" x2="${at(x2)}" y2="${at(y2)}" ${more}/>`
const write = (x: number, y: number, text: string, more = ''): string => `<text x="${at(x)}" y="${at(y)}" ${more}>${escape(text)}</text>`

interface Point {
  readonly x: number
  readonly y: number
}
const curve = (points: readonly Point[], colour: string, more: string): string => {
  const every = Math.ceil(points.length / MAX_POINTS)
  const shown = points.filter((_, i) => i % every === 0 || i === points.length - 1)
  const d = shown.map(({ x, y }, i) => `${i === 0 ? 'M' : 'L'}${at(x)} ${at(y)}`).join('')
  return `<path d="${d}" fill="none" stroke="${colour}" stroke-linejoin="round" stroke-linecap="round" ${more}/>`
}

interface Series {
  readonly name: 'training' | 'validation'
  readonly value: number
  readonly y: number
}
/** A name over a value beside the end of each line, pushed apart where they would touch. */
const endLabels = (series: readonly Series[], x: number): string => {
  const GAP = 42
  let free: number = PLOT.top
  const places = [...series]
    .sort((a, b) => a.y - b.y)
    .map((s) => {
      const y = Math.max(s.y, free)
      free = y + GAP
      return { ...s, y }
    })
  const over = Math.max(0, (places.at(-1)?.y ?? 0) + 20 - PLOT.bottom)
  return places
    .map(({ name, value, y }) => {
      const fill = `fill="${INK[name]}"`
      return write(x, y - over - 2, name, `${fill} font-weight="600"`) + write(x, y - over + 15, value.toFixed(3), fill)
    })
    .join('\n')
}

export const lossChart = (rows: readonly Row[], { title, subtitle, vocab, steps }: Chart): string => {
  const validated = rows.filter((r): r is Row & { readonly valLoss: number } => r.valLoss !== undefined)
  const losses = rows.map((r) => r.loss)
  const all = [...losses, ...validated.map((r) => r.valLoss)]
  const [least, most] = [all.reduce((a, b) => Math.min(a, b)), all.reduce((a, b) => Math.max(a, b))]
  const levels = ticks(least, most > least ? most : least + 1, 6)
  const [low, high] = [levels[0]!, levels.at(-1)!]
  const x = (step: number): number => PLOT.left + (step / steps) * (PLOT.right - PLOT.left)
  const y = (loss: number): number => PLOT.bottom - ((loss - low) / (high - low)) * (PLOT.bottom - PLOT.top)

  const soft = `fill="${INK.soft}"`
  const digits = Math.max(1, ...levels.map((v) => String(v).split('.')[1]?.length ?? 0))
  const grid = levels.map(
    (v) =>
      line(PLOT.left, y(v), PLOT.right, y(v), `stroke="${v === low ? INK.axis : INK.grid}"`) +
      write(PLOT.left - 12, y(v) + 5, v.toFixed(digits), `text-anchor="end" ${soft}`),
  )
  const marks = ticks(0, steps, 8)
    .filter((s) => Number.isInteger(s) && s <= steps)
    .map(
      (s) =>
        line(x(s), PLOT.bottom, x(s), PLOT.bottom + 6, `stroke="${INK.axis}"`) +
        write(x(s), PLOT.bottom + 24, s.toLocaleString('en'), `text-anchor="middle" ${soft}`),
    )
  const guess = Math.log(vocab)
  const chance =
    guess < low || guess > high
      ? ''
      : line(PLOT.left, y(guess), PLOT.right, y(guess), `stroke="${INK.axis}" stroke-dasharray="2 5" stroke-linecap="round"`) +
        write(
          PLOT.right,
          y(guess) - 7,
          `a guess among ${vocab} characters: ${guess.toFixed(2)}`,
          `text-anchor="end" font-size="12" ${soft}`,
        )

  const trained = smooth(losses, losses.length * SPAN)
  const points = validated.map((r) => ({ x: x(r.step), y: y(r.valLoss) }))
  const series: Series[] = [{ name: 'training', value: trained.at(-1)!, y: y(trained.at(-1)!) }]
  if (validated.length > 0) series.push({ name: 'validation', value: validated.at(-1)!.valLoss, y: points.at(-1)!.y })
  const middle = [(PLOT.left + PLOT.right) / 2, (PLOT.top + PLOT.bottom) / 2] as const
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" font-family="Inter, 'Helvetica Neue', 'DejaVu Sans', sans-serif" font-size="14" role="img" aria-label="${escape(title)}">
<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>
${write(PLOT.left, 42, title, `font-size="21" font-weight="600" fill="${INK.text}"`)}
${write(PLOT.left, 66, subtitle, soft)}
${grid.join('\n')}
${chance}
${marks.join('\n')}
${write(middle[0], HEIGHT - 16, 'step', `text-anchor="middle" fill="${INK.text}"`)}
<g transform="translate(24 ${middle[1]}) rotate(-90)">${write(0, 0, 'loss, nats per character', `text-anchor="middle" fill="${INK.text}"`)}</g>
${curve(
  rows.map((r) => ({ x: x(r.step), y: y(r.loss) })),
  INK.training,
  'stroke-opacity="0.28" stroke-width="1.25"',
)}
${curve(
  rows.map((r, i) => ({ x: x(r.step), y: y(trained[i]!) })),
  INK.training,
  'stroke-width="2.25"',
)}
${curve(points, INK.validation, 'stroke-width="2.25"')}
${points.map((p) => `<circle cx="${at(p.x)}" cy="${at(p.y)}" r="4.5" fill="${INK.validation}" stroke="#ffffff" stroke-width="2"/>`).join('\n')}
${endLabels(series, x(rows.at(-1)!.step) + 14)}
</svg>
`
}
