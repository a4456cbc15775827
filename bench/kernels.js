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

/** A yardstick is a function of its own, as a loop written by hand is: one that is given what to do would be compiled for all of them. */
const data = { x, y, positive, integers, counts, places, out, ints, SIZE }
const written = (text) => new Function(...Object.keys(data), `return () => { ${text} }`)(...Object.values(data))
const loop = (body) => written(`for (let i = 0; i < SIZE; i++) ${body}`)
const prefix = (body) => written(`let sum = x[0]; for (let i = 1; i < SIZE; i++) { sum = ${body}; out[i] = sum }`)
const sorted = (values) => () => values.slice().sort()
const sortedRows = (n) => () => {
  out.set(x)
  for (let i = 0; i < SIZE; i += n) out.subarray(i, i + n).sort()
}

const alongRows =
  (f, n) =>
  ({ np }) =>
  (a) =>
    np[f](np.reshape(a, [-1, n]), { axis: 1 })
const downColumns =
  (f, n) =>
  ({ np }) =>
  (a) =>
    np[f](np.reshape(a, [n, -1]), { axis: 0 })
const of =
  (f) =>
  ({ np }) =>
    np[f]
const twoKeys =
  ({ lax }) =>
  (a, b) =>
    lax.sort([a, b], { numKeys: 2 })
const backwards =
  ({ lax }) =>
  (a) =>
    lax.cumsum(a, 0, { reverse: true })
const scatter = (how) => () => (a, at, b) => a.at(at)[how](b)
const sum = 'sum + x[i]'

/** By name: the operands, what a build does with them, and the yardstick. */
const cases = {
  sort: [[x], of('sort'), sorted(x)],
  'sort, int32': [[integers], of('sort'), sorted(integers)],
  'sort, in order': [[x.slice().sort()], of('sort'), sorted(x.slice().sort())],
  'sort, rows of 16': [[x], alongRows('sort', 16), sortedRows(16)],
  'sort, rows of 50': [[x], alongRows('sort', 50), sortedRows(50)],
  'sort, rows of 500': [[x], alongRows('sort', 500), sortedRows(500)],
  'sort, columns of 1000': [[x], downColumns('sort', 1000), sortedRows(1000)],
  'sort by two keys': [[counts, x], twoKeys, sorted(x)],
  argsort: [[x], of('argsort'), sorted(x)],
  cumsum: [[x], of('cumsum'), prefix(sum)],
  'cumsum, reversed': [[x], backwards, prefix(sum)],
  'cumsum, rows of 10': [[x], alongRows('cumsum', 10), prefix(sum)],
  'cumsum, columns of 1000': [[x], downColumns('cumsum', 1000), prefix(sum)],
  'cumsum, int32': [[counts], of('cumsum'), prefix('(sum + counts[i]) | 0')],
  cumprod: [[x], of('cumprod'), prefix('sum * x[i]')],
  cummax: [[x], of('cummax'), prefix('Math.max(sum, x[i])')],
  'scatter, add': [[x, places, y], scatter('add'), written('out.set(x); for (let i = 0; i < SIZE; i++) out[places[i]] += y[i]')],
  'scatter, set': [[x, places, y], scatter('set'), written('out.set(x); for (let i = 0; i < SIZE; i++) out[places[i]] = y[i]')],
  pow: [[positive, y], of('pow'), loop('out[i] = positive[i] ** y[i]')],
  tan: [[x], of('tan'), loop('out[i] = Math.tan(x[i])')],
  atan2: [[x, y], of('atan2'), loop('out[i] = Math.atan2(x[i], y[i])')],
  shift: [[integers, counts], of('leftShift'), loop('ints[i] = integers[i] << counts[i]')],
  mul: [[x, y], of('mul'), loop('out[i] = x[i] * y[i]')],
  exp: [[x], of('exp'), loop('out[i] = Math.exp(x[i])')],
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
