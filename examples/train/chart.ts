/** The loss curve as SVG: training as it was measured and smoothed, validation as points, both named where they end. */
import type { Row } from './folder.ts'

export interface Chart {
  readonly title: string
  readonly subtitle: string
  /** Distinct characters: log of it is the loss of a guess among them. */
  readonly vocab: number
  readonly steps: number
}
const WIDTH = 960
const HEIGHT = 560
const PLOT = { left: 76, right: WIDTH - 150, top: 92, bottom: HEIGHT - 66 } as const
const INK = { text: '#1d2733', soft: '#66727f', grid: '#e6eaee', axis: '#b6bfc8', train: '#2b6cb0', validation: '#d9622b' } as const

/** Round numbers about `count` to the range: 1, 2 or 5 times a power of ten apart. */
export const ticks = (from: number, to: number, count: number): readonly number[] => {
  const rough = Math.max((to - from) / count, Number.MIN_VALUE)
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = power * ([1, 2, 5].find((m) => m * power >= rough) ?? 10)
  const first = Math.ceil(from / step - 1e-9)
  return Array.from({ length: Math.max(0, Math.floor(to / step + 1e-9) - first + 1) }, (_, i) =>
    Number(((first + i) * step).toPrecision(12)),
  )
}

/** A running mean in both directions over about `span` points: it neither lags nor leads. */
const smooth = (ys: readonly number[], span: number): readonly number[] => {
  const reach = Math.floor(span / 2)
  return ys.map((_, i) => {
    const near = Math.min(reach, i, ys.length - 1 - i) // symmetric, so that the ends stay where they are
    const around = ys.slice(i - near, i + near + 1)
    return around.reduce((a, b) => a + b, 0) / around.length
  })
}

const escape = (text: string): string => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`)
const at = (x: number): string => String(Math.round(x * 100) / 100)
interface Point {
  readonly x: number
  readonly y: number
}
const path = (points: readonly Point[]): string => points.map(({ x, y }, i) => `${i === 0 ? 'M' : 'L'}${at(x)} ${at(y)}`).join('')

interface Label {
  readonly y: number
  readonly colour: string
  readonly name: string
  readonly value: number
}
/** Two lines of text a label, pushed apart where they would touch. */
const labels = (wanted: readonly Label[], x: number): string => {
  const sorted = [...wanted].sort((a, b) => a.y - b.y)
  const GAP = 42
  let free: number = PLOT.top
  const places = sorted.map(({ y }) => {
    const place = Math.max(y, free)
    free = place + GAP
    return place
  })
  const over = Math.max(0, (places.at(-1) ?? 0) + 20 - PLOT.bottom)
  return sorted
    .map(({ colour, name, value }, i) => {
      const y = places[i]! - over
      return `<text x="${at(x)}" y="${at(y - 2)}" fill="${colour}" font-weight="600">${name}</text><text x="${at(x)}" y="${at(y + 15)}" fill="${colour}">${value.toFixed(3)}</text>`
    })
    .join('\n')
}

export const lossChart = (rows: readonly Row[], { title, subtitle, vocab, steps }: Chart): string => {
  const validated = rows.filter((r) => r.valLoss !== undefined)
  const guess = Math.log(vocab)
  const losses = [...rows.map((r) => r.loss), ...validated.map((r) => r.valLoss!)]
  const yTicks = ticks(Math.min(...losses), Math.max(...losses, Math.min(guess, 1.1 * Math.max(...losses))), 6)
  const gap = yTicks.length > 1 ? yTicks[1]! - yTicks[0]! : 1
  const low = Math.min(...losses) < (yTicks[0] ?? 0) ? (yTicks[0] ?? 0) - gap : (yTicks[0] ?? 0)
  const high = Math.max(...losses) > yTicks.at(-1)! ? yTicks.at(-1)! + gap : yTicks.at(-1)!
  const x = (step: number): number => PLOT.left + (step / steps) * (PLOT.right - PLOT.left)
  const y = (loss: number): number => PLOT.bottom - ((loss - low) / (high - low || 1)) * (PLOT.bottom - PLOT.top)
  const point = (step: number, loss: number): Point => ({ x: x(step), y: y(loss) })

  const levels = ticks(low, high, 6)
  const digits = Math.max(1, ...levels.map((v) => String(v).split('.')[1]?.length ?? 0))
  const grid = levels.map(
    (v) =>
      `<line x1="${PLOT.left}" x2="${PLOT.right}" y1="${at(y(v))}" y2="${at(y(v))}" stroke="${INK.grid}"/><text x="${PLOT.left - 12}" y="${at(y(v) + 5)}" text-anchor="end" fill="${INK.soft}">${v.toFixed(digits)}</text>`,
  )
  const marks = ticks(0, steps, 8)
    .filter(Number.isInteger)
    .map(
      (s) =>
        `<line x1="${at(x(s))}" x2="${at(x(s))}" y1="${PLOT.bottom}" y2="${PLOT.bottom + 6}" stroke="${INK.axis}"/><text x="${at(x(s))}" y="${PLOT.bottom + 24}" text-anchor="middle" fill="${INK.soft}">${s.toLocaleString('en')}</text>`,
    )
  const raw = rows.map((r) => point(r.step, r.loss))
  const smoothed = smooth(
    rows.map((r) => r.loss),
    Math.max(1, rows.length / 12),
  )
  const smoothPath = rows.map((r, i) => point(r.step, smoothed[i]!))
  const points = validated.map((r) => point(r.step, r.valLoss!))
  const ends: Label[] = []
  const lastX = Math.max(raw.at(-1)?.x ?? PLOT.left, points.at(-1)?.x ?? PLOT.left)
  if (smoothPath.length > 0)
    ends.push({ y: smoothPath.at(-1)!.y, colour: INK.train, name: 'training', value: tailMean(rows.map((r) => r.loss)) })
  if (points.length > 0) ends.push({ y: points.at(-1)!.y, colour: INK.validation, name: 'validation', value: validated.at(-1)!.valLoss! })
  const chance =
    guess <= high
      ? `<line x1="${PLOT.left}" x2="${PLOT.right}" y1="${at(y(guess))}" y2="${at(y(guess))}" stroke="${INK.axis}" stroke-dasharray="2 5" stroke-linecap="round"/><text x="${PLOT.right}" y="${at(y(guess) - 7)}" text-anchor="end" fill="${INK.soft}" font-size="12">a guess among ${vocab} characters: ${guess.toFixed(2)}</text>`
      : ''
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" font-family="Inter, 'Helvetica Neue', 'DejaVu Sans', sans-serif" font-size="14" role="img" aria-label="${escape(title)}">
<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>
<text x="${PLOT.left}" y="42" font-size="21" font-weight="600" fill="${INK.text}">${escape(title)}</text>
<text x="${PLOT.left}" y="66" fill="${INK.soft}">${escape(subtitle)}</text>
${grid.join('\n')}
${chance}
<line x1="${PLOT.left}" x2="${PLOT.right}" y1="${PLOT.bottom}" y2="${PLOT.bottom}" stroke="${INK.axis}"/>
${marks.join('\n')}
<text x="${(PLOT.left + PLOT.right) / 2}" y="${HEIGHT - 16}" text-anchor="middle" fill="${INK.text}">step</text>
<text transform="translate(24 ${(PLOT.top + PLOT.bottom) / 2}) rotate(-90)" text-anchor="middle" fill="${INK.text}">loss, nats per character</text>
<path d="${path(raw)}" fill="none" stroke="${INK.train}" stroke-opacity="0.28" stroke-width="1.25" stroke-linejoin="round"/>
<path d="${path(smoothPath)}" fill="none" stroke="${INK.train}" stroke-width="2.25" stroke-linejoin="round" stroke-linecap="round"/>
<path d="${path(points)}" fill="none" stroke="${INK.validation}" stroke-width="2.25" stroke-linejoin="round" stroke-linecap="round"/>
${points.map((p) => `<circle cx="${at(p.x)}" cy="${at(p.y)}" r="4.5" fill="${INK.validation}" stroke="#ffffff" stroke-width="2"/>`).join('\n')}
${labels(ends, lastX + 14)}
</svg>
`
}

/** The mean of the last twelfth. */
const tailMean = (ys: readonly number[]): number => {
  const tail = ys.slice(-Math.max(1, Math.floor(ys.length / 12)))
  return tail.reduce((a, b) => a + b, 0) / tail.length
}
