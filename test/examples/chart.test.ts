import { expect, test } from 'vitest'
import { lossChart, smooth, ticks } from '../../examples/train/chart.ts'
import type { Row } from '../../examples/train/folder.ts'

test('ticks are round and reach around the range', () => {
  expect(ticks(1.63, 4.17, 6)).toEqual([1.5, 2, 2.5, 3, 3.5, 4, 4.5])
  expect(ticks(0, 2000, 8)).toEqual([0, 500, 1000, 1500, 2000])
  expect(ticks(2, 2, 6)).toEqual([2])
  expect(ticks(0.031, 0.034, 3)).toEqual([0.031, 0.032, 0.033, 0.034])
})

test('the smooth line keeps constants and the first value, and averages the noise', () => {
  expect(smooth([3, 3, 3, 3], 3)).toEqual([3, 3, 3, 3])
  expect(smooth([9, 1, 3, 1, 3], 3)).toEqual([9, 1, 3, 7 / 3, 2])
  expect(smooth([], 3)).toEqual([])
})

const row = (step: number, loss: number, valLoss?: number): Row => ({
  ...{ step, loss, learningRate: 1, gradNorm: 1, tokensPerSecond: 1, bytesInUse: 1 },
  ...(valLoss === undefined ? {} : { valLoss }),
})
const chart = { title: 'A <GPT> learns', subtitle: 'a & b', vocab: 65, steps: 100 }
/** The corners of every path, in the picture's coordinates. */
const corners = (svg: string): number[][][] =>
  [...svg.matchAll(/<path d="([^"]*)"/g)].map(([, d]) =>
    d!
      .slice(1)
      .split('L')
      .map((p) => p.split(' ').map(Number)),
  )

test('steps run to the right, losses up, and all of it lies inside', () => {
  const svg = lossChart([row(1, 4), row(50, 3), row(100, 2, 2.5)], chart)
  const [raw, , validation] = corners(svg)
  expect(raw!.map(([x]) => x!)).toEqual([...raw!.map(([x]) => x!)].sort((a, b) => a - b))
  expect(raw!.map(([, y]) => y!)).toEqual([...raw!.map(([, y]) => y!)].sort((a, b) => a - b))
  expect(validation).toHaveLength(1)
  expect(validation![0]![1]).toBeLessThan(raw!.at(-1)![1]!)
  for (const [x, y] of corners(svg).flat()) expect(x! > 0 && x! < 960 && y! > 0 && y! < 560).toBe(true)
})

test('text is escaped, one row is enough, and a hundred thousand aren’t too many', () => {
  expect(lossChart([row(1, 4)], chart)).toContain('A &#60;GPT&#62; learns')
  expect(lossChart([row(1, 4)], chart)).not.toMatch(/NaN|Infinity|undefined/)
  const many = Array.from({ length: 100_000 }, (_, i) => row(i + 1, 4 - i / 50_000))
  expect(lossChart(many, { ...chart, steps: 100_000 }).length).toBeLessThan(100_000)
})
