/**
 * Code bytes back to a listing in the manner of WAT: what `explain` shows. Nothing is recorded while code is emitted,
 * so that a program nobody looks at pays nothing.
 */
import type { FunctionBuilder } from './assembler.ts'
import { type Immediate, opcodes, type Run } from './opcodes.ts'

interface Instruction {
  readonly name: string
  readonly immediate: Immediate | 'index' | 'block' | 's32' | 's64' | 'f32' | 'f64' | 'bytes16' | 'call' | 'skip1' | 'skip2'
}

const control: readonly (readonly [number, string, Instruction['immediate']])[] = [
  [0x00, 'unreachable', 'none'],
  [0x02, 'block', 'block'],
  [0x03, 'loop', 'block'],
  [0x04, 'if', 'block'],
  [0x05, 'else', 'none'],
  [0x0b, 'end', 'none'],
  [0x0c, 'br', 'index'],
  [0x0d, 'br_if', 'index'],
  [0x0f, 'return', 'none'],
  [0x10, 'call', 'call'],
  [0x1a, 'drop', 'none'],
  [0x1b, 'select', 'none'],
  [0x20, 'local.get', 'index'],
  [0x21, 'local.set', 'index'],
  [0x22, 'local.tee', 'index'],
  [0x23, 'global.get', 'index'],
  [0x24, 'global.set', 'index'],
  [0x41, 'i32.const', 's32'],
  [0x42, 'i64.const', 's64'],
  [0x43, 'f32.const', 'f32'],
  [0x44, 'f64.const', 'f64'],
  [0xfc0a, 'memory.copy', 'skip2'],
  [0xfc0b, 'memory.fill', 'skip1'],
  [0xfd000c, 'v128.const', 'bytes16'],
  [0xfd000d, 'i8x16.shuffle', 'bytes16'],
]

const code = (prefix: number, op: number): number => (prefix === 0 ? op : prefix === 0xfc ? 0xfc00 + op : (prefix << 16) + op)

const table = (): ReadonlyMap<number, Instruction> => {
  const entries = new Map<number, Instruction>()
  for (const [op, name, immediate] of control) entries.set(op, { name, immediate })
  for (const [type, runs] of Object.entries(opcodes))
    for (const { prefix, base, names, immediate } of runs as readonly Run[])
      names.split(' ').forEach((name, i) => {
        if (name !== '_') entries.set(code(prefix, base + i), { name: `${type}.${name}`, immediate })
      })
  return entries
}

/** Functions as text, once their module is finished. */
export const listings = (functions: readonly FunctionBuilder[]): string[] => {
  const known = table()
  return functions.map((f) => listing(f, known))
}

const listing = ({ name, params, locals, head, body }: FunctionBuilder, known: ReadonlyMap<number, Instruction>): string => {
  const items = [...head, ...body]
  const callees = new Map(items.flatMap((item, i) => (typeof item === 'number' ? [] : [[i, item.name] as const])))
  const signature = params.map(({ type, index }) => `(param $${index} ${type})`).join(' ')
  const declared = locals.map((type, i) => `(local $${i + params.length} ${type})`).join(' ')
  const code = Uint8Array.from(items, (item) => (typeof item === 'number' ? item : 0))
  return [`(func $${name} ${signature}`, ...(declared ? [`  ${declared}`] : []), disassemble(code, callees, known), ')'].join('\n')
}

/** `callees` names the function called at each call's index byte. */
const disassemble = (bytes: Uint8Array, callees: ReadonlyMap<number, string>, known: ReadonlyMap<number, Instruction>): string => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  const leb = (signed: boolean): bigint => {
    let [value, shift, byte] = [0n, 0n, 0]
    do {
      byte = view.getUint8(at++)
      value |= BigInt(byte & 127) << shift
      shift += 7n
    } while (byte & 128)
    return signed ? BigInt.asIntN(Number(shift), value) : value
  }
  const hex = (): string => Array.from({ length: 4 }, () => `0x${view.getUint32((at += 4) - 4, true).toString(16)}`).join(' ')
  const lines: string[] = []
  let depth = 1
  while (at < bytes.length) {
    const first = view.getUint8(at++)
    const op = first >= 0xfc ? code(first, Number(leb(false))) : first
    const instruction = known.get(op) ?? { name: `op 0x${op.toString(16)}`, immediate: 'none' as const }
    const { name, immediate } = instruction
    let text = name
    switch (immediate) {
      case 'none':
        break
      case 'lane':
        text += ` ${view.getUint8(at++)}`
        break
      case 'memory':
      case 'memoryLane': {
        leb(false)
        text += ` offset=${leb(false)}`
        if (immediate === 'memoryLane') text += ` ${view.getUint8(at++)}`
        break
      }
      case 'index':
        text += name.startsWith('local') ? ` $${leb(false)}` : ` ${leb(false)}`
        break
      case 'block': {
        const type = view.getUint8(at++)
        const result = { 127: 'i32', 126: 'i64', 125: 'f32', 124: 'f64', 123: 'v128' }[type]
        if (result !== undefined) text += ` (result ${result})`
        break
      }
      case 's32':
      case 's64':
        text += ` ${leb(true)}`
        break
      case 'f32':
        text += ` ${view.getFloat32((at += 4) - 4, true)}`
        break
      case 'f64':
        text += ` ${view.getFloat64((at += 8) - 8, true)}`
        break
      case 'bytes16':
        text += ` i32x4 ${hex()}`
        break
      case 'call':
        text += ` $${callees.get(at) ?? '?'}`
        leb(false)
        break
      case 'skip1':
        at += 1
        break
      case 'skip2':
        at += 2
    }
    if (op === 0x0b || op === 0x05) depth--
    lines.push('  '.repeat(depth) + text)
    if ((op >= 2 && op <= 5) || op === 0x05) depth++
  }
  return lines.join('\n')
}
