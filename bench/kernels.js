/**
 * Single kernels in milliseconds for a million elements, the best of many calls, on one thread, beside plain JavaScript:
 * `node kernels.js [build…] [--only case…]`. A build is a folder that `npm run build` made (default: ../dist); of two, the last column says by
 * how much the second is faster. All that a row compares is called in turn, in one process.
 */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const SIZE = 1e6
const ROUNDS = 15

/** Numbers from -1 to 1, always the same. */
const noise = (size, seed = 1) => {
  let state = seed
  return Float32Array.from({ length: size }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    return (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) >> 0) / 2 ** 31
  })
}
const [x, y] = [noise(SIZE), noise(SIZE, 2)]
const positive = x.map((v) => Math.abs(v) * 4 + 0.01)
const integers = Int32Array.from(x, (v) => v * 2 ** 31)
const counts = Int32Array.from(y, (v) => Math.abs(v) * 32)
const places = Int32Array.from(y, (v) => Math.abs(v) * (SIZE - 1))
const out = new Float32Array(SIZE)
const ints = new Int32Array(SIZE)

const each = (f) => () => {
  for (let i = 0; i < SIZE; i++) out[i] = f(i)
}
const prefix = (f) => () => {
  let carry = x[0]
  for (let i = 0; i < SIZE; i++) out[i] = carry = i === 0 ? carry : f(carry, x[i])
}
const scattered = (f) => () => {
  out.set(x)
  for (let i = 0; i < SIZE; i++) out[places[i]] = f(out[places[i]], y[i])
}
const sorted = (data) => () => data.slice().sort()
/** Of rows of n, one after another. */
const sortedRows = (n) => () => {
  out.set(x)
  for (let i = 0; i < SIZE; i += n) out.subarray(i, i + n).sort()
}
const downColumns = (rows) => () => {
  const n = SIZE / rows
  for (let j = 0; j < n; j++) for (let i = 0, sum = 0; i < rows; i++) out[i * n + j] = sum += x[i * n + j]
}

/** By name: the operands, what a build does with them, and the yardstick. */
const cases = {
  sort: [[x], ({ np }) => np.sort, sorted(x)],
  'sort, int32': [[integers], ({ np }) => np.sort, sorted(integers)],
  'sort, in order': [[x.slice().sort()], ({ np }) => np.sort, sorted(x.slice().sort())],
  'sort, rows of 16': [
    [x],
    ({ np }) =>
      (a) =>
        np.sort(np.reshape(a, [-1, 16])),
    sortedRows(16),
  ],
  'sort, rows of 50': [
    [x],
    ({ np }) =>
      (a) =>
        np.sort(np.reshape(a, [-1, 50])),
    sortedRows(50),
  ],
  'sort, rows of 500': [
    [x],
    ({ np }) =>
      (a) =>
        np.sort(np.reshape(a, [-1, 500])),
    sortedRows(500),
  ],
  'sort, columns of 1000': [
    [x],
    ({ np }) =>
      (a) =>
        np.sort(np.reshape(a, [1000, -1]), { axis: 0 }),
    sortedRows(1000),
  ],
  argsort: [[x], ({ np }) => np.argsort, sorted(x)],
  'sort by two keys': [
    [counts, x],
    ({ lax }) =>
      (a, b) =>
        lax.sort([a, b], { numKeys: 2 }),
    sorted(x),
  ],
  cumsum: [[x], ({ np }) => np.cumsum, prefix((a, b) => a + b)],
  'cumsum, reversed': [
    [x],
    ({ lax }) =>
      (a) =>
        lax.cumsum(a, 0, { reverse: true }),
    prefix((a, b) => a + b),
  ],
  'cumsum, rows of 10': [
    [x],
    ({ np }) =>
      (a) =>
        np.cumsum(np.reshape(a, [-1, 10]), { axis: 1 }),
    prefix((a, b) => a + b),
  ],
  'cumsum, columns of 1000': [
    [x],
    ({ np }) =>
      (a) =>
        np.cumsum(np.reshape(a, [1000, -1]), { axis: 0 }),
    downColumns(1000),
  ],
  cumprod: [[x], ({ np }) => np.cumprod, prefix((a, b) => a * b)],
  cummax: [[x], ({ np }) => np.cummax, prefix(Math.max)],
  'cumsum, int32': [[counts], ({ np }) => np.cumsum, prefix((a, b) => a + b)],
  'scatter, add': [
    [x, places, y],
    ({ np }) =>
      (a, i, b) =>
        a.at(i).add(b),
    scattered((a, b) => a + b),
  ],
  'scatter, set': [
    [x, places, y],
    ({ np }) =>
      (a, i, b) =>
        a.at(i).set(b),
    scattered((_, b) => b),
  ],
  pow: [[positive, y], ({ np }) => np.pow, each((i) => positive[i] ** y[i])],
  tan: [[x], ({ np }) => np.tan, each((i) => Math.tan(x[i]))],
  atan2: [[x, y], ({ np }) => np.atan2, each((i) => Math.atan2(x[i], y[i]))],
  shift: [
    [integers, counts],
    ({ np }) => np.leftShift,
    () => {
      for (let i = 0; i < SIZE; i++) ints[i] = integers[i] << counts[i]
    },
  ],
  mul: [[x, y], ({ np }) => np.mul, each((i) => x[i] * y[i])],
  exp: [[x], ({ np }) => np.exp, each((i) => Math.exp(x[i]))],
}

const given = process.argv.slice(2)
const only = given.includes('--only') ? given.splice(given.indexOf('--only')).slice(1) : Object.keys(cases)
const folders = given.length > 0 ? given.map((folder) => resolve(folder)) : [new URL('../dist', import.meta.url).pathname]
const builds = await Promise.all(folders.map((folder) => import(pathToFileURL(`${folder}/src/index.js`))))

/** Of this process, since other processes may want the processor too. */
const milliseconds = () => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
const time = (f) => {
  const start = milliseconds()
  f()
  return milliseconds() - start
}
const measure = (name) => {
  const [operands, make, yardstick] = cases[name]
  const calls = builds.map((build) => {
    const f = build.jit(make(build))
    const args = operands.map((data) => build.np.array(data))
    return () => [f(...args)].flat().forEach((result) => result.dispose())
  })
  const all = [yardstick, ...calls]
  const times = all.map(() => Infinity)
  for (let round = 0; round < ROUNDS; round++) all.forEach((call, i) => (times[i] = Math.min(times[i], time(call))))
  return times
}

const show = (cells) => console.log(cells.map((cell, i) => (i === 0 ? cell.padEnd(26) : cell.padStart(12))).join(''))
console.log(`Node ${process.version}, ms for a million elements`)
show([
  '',
  'JavaScript',
  ...builds.map((_, i) => (builds.length === 1 ? 'Cotangent' : `build ${i + 1}`)),
  ...(builds.length > 1 ? ['faster by'] : []),
])
for (const name of only) {
  const times = measure(name)
  show([name, ...times.map((t) => t.toPrecision(3)), ...(builds.length > 1 ? [`${(times[1] / times[2]).toFixed(1)}×`] : [])])
}
