/**
 * Prefix reductions: lines along the middle of [outer, n, inner]. Float32 is carried in float64, so that 1e6 · 0.1 keeps its digits.
 */
import { byteWidth } from '../../src/core/dtype.ts'
import type { Cumulative } from '../../src/core/kernel.ts'
import type { FunctionBuilder, Local, ModuleBuilder, Value } from './assembler.ts'
import { Integers } from './integers.ts'
import { emitOp, registerOf } from './ops.ts'
import { identity, operator } from './reduce.ts'

/** (input, output, start, end): lines start … end-1 of outer · inner. */
export const emitCumulative = (module: ModuleBuilder, kernel: Cumulative): FunctionBuilder => {
  const { op, dtype, inner, reverse } = kernel
  const f = module.func('cumulative', Array(4).fill('i32'))
  const n = new Integers(f)
  const [input, output, start, end] = f.params as [Local, Local, Local, Local]
  const width = byteWidth[dtype]
  const first = reverse ? (kernel.n - 1) * inner * width : 0
  const carried = dtype === 'float32' ? 'float64' : dtype
  const [sum, item, out] = [f.local(registerOf(carried)), f.local(registerOf(carried)), f.local(registerOf(dtype))]
  const cast = (from: typeof dtype, to: typeof dtype, value: Local, into: Local): void => {
    emitOp(f, 'cast', to, [from], [value])
    f.set(into)
  }

  f.for('i32', start, end, 1, (line) => {
    const at = n.hold(n.add(n.mul(lineOffset(n, line, kernel), width), first))
    if (carried === 'float64') f.const('f64', identity(op, dtype))
    else f.splat('i32x4', identity(op, dtype))
    f.set(sum)
    f.for('i32', 0, kernel.n, 1, () => {
      f.push(n.add(input, at))
      if (dtype === 'float64') f.f64.load()
      else f.v128.load32_splat()
      f.set(dtype === 'float32' ? out : item)
      if (dtype === 'float32') cast(dtype, carried, out, item)
      emitOp(f, operator[op], carried, [carried, carried], [sum, item])
      f.set(sum)
      cast(carried, dtype, sum, out)
      f.push(n.add(output, at))
      f.get(out)
      if (dtype === 'float64') f.f64.store()
      else f.v128.store32_lane(0)
      n.step(at, inner * width * (reverse ? -1 : 1))
    })
  })
  return f
}

/** Where a line of [outer, n, inner] begins: ⌊line / inner⌋ · n · inner + line mod inner elements. */
export const lineOffset = (i: Integers, line: Value, { n, inner }: { readonly n: number; readonly inner: number }): Value =>
  i.add(i.mul(i.div(line, inner), (n - 1) * inner), line)
