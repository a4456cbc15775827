/** Memory that stays bounded with nobody's help: eager loops that never yield, and donated state. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { expect, test } from 'vitest'
import { nightly } from '../effort.ts'
import { bytesInUse, DeletedArrayError, jit, type NdArray, np } from '../../src/index.ts'

/** Runs a program of this folder in a process of its own, and gives what it prints. */
const runProgram = async (file: string, args: readonly string[] = [], flags: readonly string[] = []): Promise<unknown> => {
  const folder = mkdtempSync(join(tmpdir(), 'memory-'))
  try {
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
    await build({ entryPoints: [`test/memory/${file}`], bundle: true, platform: 'node', format: 'esm', splitting: true, outdir: folder })
    const output = execFileSync(process.execPath, [...flags, join(folder, file.replace('.ts', '.js')), ...args], { encoding: 'utf8' })
    return JSON.parse(output)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('eager steps on 1 MB arrays, without dispose and without await, stay under 512 MB', async () => {
  const steps = nightly ? 10_000 : 1000 // of 2 MB each
  const { value, peakMegabytes, seconds } = (await runProgram('eagerLoop.ts', [String(steps)])) as Record<string, number>
  expect(value).toBe(2) // x := x/2 + 1 settles at 2
  expect(peakMegabytes!).toBeLessThan(512)
  console.log(`eager loop: ${peakMegabytes!.toFixed(0)} MB at most, ${seconds!.toFixed(1)} s`)
})

test('functions made anew at each eager call leave nothing behind, without await', async () => {
  const { left, most } = (await runProgram('functionLoop.ts')) as Record<string, number>
  console.log(`function loop: ${left!.toFixed(1)} MB left, ${most!.toFixed(1)} MB at most`)
  expect(most!).toBeLessThan(32) // of 200
})

interface State {
  readonly w: NdArray
  readonly moments: readonly NdArray[]
  readonly count: NdArray
}
const initial = (): State => ({ w: np.ones([64, 64]), moments: [np.zeros([64, 64]), np.zeros([64, 64])], count: np.zeros([], 'int32') })

/** Reads every leaf, and the sum of w enters the loss, so that no leaf's memory can be taken over blindly. */
const step = (state: State, lr: number): readonly [State, NdArray] => {
  const loss = np.mean(np.square(state.w))
  const [m, v] = state.moments as readonly [NdArray, NdArray]
  const [m2, v2] = [np.add(np.mul(m, 0.9), state.w), np.add(np.mul(v, 0.99), np.square(state.w))]
  const w = np.sub(state.w, np.mul(np.div(m2, np.add(np.sqrt(v2), 1)), lr))
  return [{ w, moments: [m2, v2], count: np.add(state.count, 1) }, loss]
}

test('1,000 donated steps leave the bytes in use where they were, and give what undonated steps give', () => {
  const donating = jit(step, { donateArgnums: [0] })
  const keeping = jit(step)
  let [a, b] = [initial(), initial()]
  const inUse: number[] = []
  for (let i = 0; i < 1000; i++) {
    const [next, loss] = donating(a, i / 1e4)
    a = next
    loss.dispose()
    if (i < 10) b = keeping(b, i / 1e4)[0]
    if (i === 9) expect(a.w.toTyped()).toEqual(b.w.toTyped())
    if (i >= 10) inUse.push(bytesInUse())
  }
  expect(new Set(inUse).size).toBe(1)
  expect(a.count.item()).toBe(1000)
})

test('a donated array that no result takes over is freed by the call', () => {
  const total = jit((xs: readonly NdArray[]) => np.sum(np.add(xs[0]!, xs[1]!)), { donateArgnums: [0] })
  const matrix = (): NdArray => np.array(new Float32Array(1 << 16), { shape: [256, 256] })
  total([matrix(), matrix()]).dispose()
  const before = bytesInUse()
  for (let i = 0; i < 20; i++) total([matrix(), matrix()]).dispose()
  expect(bytesInUse()).toBe(before)
})

test('reading a donated array is an error, and so is donating one that is another argument too', () => {
  const twice = jit((x: NdArray, y: NdArray) => np.add(x, y), { donateArgnums: [0] })
  const x = np.ones([4])
  expect(() => twice(x, x)).toThrow(DeletedArrayError)
  expect(() => twice(x, x)).toThrow('f32[4] is donated and is another argument of the same call too')
  expect(x.toArray()).toEqual([1, 1, 1, 1]) // refused before anything happened to it
  const both = jit((x: NdArray, y: NdArray) => np.add(x, y), { donateArgnums: [0, 1] })
  expect(() => both(x, x)).toThrow(DeletedArrayError)
  expect(twice(x, np.ones([4])).toArray()).toEqual([2, 2, 2, 2])
  expect(() => x.toArray()).toThrow('donated to jit(')
})

test('numbers given to a jitted function leave nothing behind', () => {
  const scaled = jit((x: NdArray, s: number) => np.sum(np.mul(x, s)))
  const x = np.ones([8])
  scaled(x, 1).dispose()
  const before = bytesInUse()
  for (let i = 0; i < 100; i++) {
    const y = scaled(x, i)
    expect(y.item()).toBe(8 * i)
    y.dispose()
  }
  expect(bytesInUse()).toBe(before)
})

test('arrays that moved out of the heap are in use until they come back, are freed, or nobody holds them', async () => {
  expect(await runProgram('movedOut.ts', [], ['--expose-gc'])).toEqual([256, 192, 192, 0])
})

test('a loop that never yields and disposes of nothing keeps no JavaScript object of its arrays', async () => {
  const kilobytes = await runProgram('smallLoop.ts', [], ['--expose-gc', '--max-old-space-size=60'])
  expect(kilobytes as number).toBeLessThan(10_000) // 130 bytes a call were 78 MB
})
