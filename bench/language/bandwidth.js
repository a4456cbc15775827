// What one thread reads: WebAssembly that adds up half a gigabyte, 16 bytes at a time, in eight sums; from its beginning to its end, or both
// halves side by side, which reads faster where the processor fetches ahead in each.
const BYTES = 2 ** 29
const sums = Array.from({ length: 8 }, (_, i) => i)

const leb = (n) => (n < 128 ? [n] : [(n & 127) | 128, ...leb(n >> 7)])
const section = (id, bytes) => [id, ...leb(bytes.length), ...bytes]
const get = (local) => [0x20, local]
const ADD = [0xfd, 0xe4, 0x01]
/** (start, end): the sum of what lies between, and as far behind each of `starts`. */
const binaryOf = (starts) => {
  const added = (start) => sums.flatMap((i) => [...get(2 + i), ...get(0), 0xfd, 0x00, 4, ...leb(start + 16 * i), ...ADD, 0x21, 2 + i])
  const code = [
    ...[1, sums.length, 0x7b], // locals: v128
    ...[0x03, 0x40, ...starts.flatMap(added)], // loop
    ...[...get(0), 0x41, 0x80, 0x01, 0x6a, 0x22, 0, ...get(1), 0x49, 0x0d, 0, 0x0b], // on by 128 bytes, until the end
    ...[...get(2), ...sums.slice(1).flatMap((i) => [...get(2 + i), ...ADD]), 0xfd, 0x1f, 0, 0x0b],
  ]
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 2, 0x7f, 0x7f, 1, 0x7d]),
    ...section(2, [1, 1, 0x6d, 1, 0x6d, 2, 0, ...leb(BYTES / 65536)]), // memory m.m
    ...section(3, [1, 0]),
    ...section(7, [1, 1, 0x66, 0, 0]), // f
    ...section(10, [1, ...leb(code.length), ...code]),
  ])
}

/** Measures, in bytes a second, the best of so many passes: read as one stream, and as two. */
export const makeMeter = async () => {
  const memory = new WebAssembly.Memory({ initial: BYTES / 65536 })
  new Float32Array(memory.buffer).fill(1)
  const passing = async (streams) => {
    const part = BYTES / streams
    const binary = binaryOf(Array.from({ length: streams }, (_, i) => i * part))
    const { instance } = await WebAssembly.instantiate(binary, { m: { m: memory } })
    return () => {
      const begin = performance.now()
      const sum = instance.exports.f(0, part)
      const seconds = (performance.now() - begin) / 1000
      if (sum !== BYTES / 16) throw new Error(`the sum is ${sum}`)
      return BYTES / seconds
    }
  }
  const ways = [await passing(1), await passing(2)]
  return (passes) => ways.map((pass) => Math.max(...Array.from({ length: passes }, pass)))
}
