/**
 * float32 functions computed in float64, two lanes at a time, and rounded once: those that would lose bits in float32,
 * or are too rare to deserve polynomials of their own. Each is a wasm function of vectors.
 */
import type { FunctionHandle, Local, ModuleBuilder } from './assembler.ts'
import { high, keepZero, lanewise, orLanewise, reduceTrig, ROUND64 } from './math.ts'
import { type Calculator, calculator, type Vec } from './vec.ts'

const INF = Number.POSITIVE_INFINITY

const pick = (c: Calculator, mask: Vec, ifTrue: Vec, ifFalse: Vec): Vec => {
  const double = (x: Vec): Vec => (typeof x === 'number' ? c.f.constant('f64x2', x) : x)
  return c.B.bitselect(double(ifTrue), double(ifFalse), mask)
}

/** Any float64; 0 gives -inf, negative numbers NaN. */
const log64 = (c: Calculator, u: Local): Local => {
  const { D, L } = c
  const k = c.hold(L.shr_s(L.sub(u, Math.SQRT1_2), 52))
  const m = c.hold(L.sub(u, L.shl(k, 52)))
  const s = c.hold(D.div(D.sub(m, 1), D.add(m, 1)))
  const z = c.hold(D.mul(s, s))
  const R = c.poly(
    'D',
    z,
    [0.6666666666658668, 0.40000000052558105, 0.2857141708051444, 0.2222337538208226, 0.1812351744646453, 0.16821386109044034],
  )
  const kf = D.convert_low_i32x4_s(c.lanes(k, k, 0, 2, 0, 2))
  const y = c.hold(D.add(D.mul(kf, Math.LN2), D.add(D.add(s, s), D.mul(D.mul(s, z), R))))
  const special = pick(c, D.eq(u, 0), -INF, D.sqrt(u))
  return c.hold(pick(c, c.B.and(D.gt(u, 0), D.lt(u, INF)), y, special))
}

/** Beyond ±200 it stays at e^±200, which is infinity or 0 in float32. */
const exp64 = (c: Calculator, x: Vec): Local => {
  const { D, L } = c
  const clamped = c.hold(D.pmin(D.pmax(x, -200), 200))
  const t = c.hold(D.add(D.mul(clamped, Math.LOG2E), ROUND64))
  const r = c.hold(D.sub(clamped, D.mul(D.sub(t, ROUND64), Math.LN2)))
  const q = c.poly(
    'D',
    r,
    [
      0.4999999999966129, 0.16666666667269048, 0.04166666696413835, 0.008333333094155163, 0.001388881082281253, 0.00019841539489392945,
      2.4880970262345398e-5, 2.7493209538826936e-6,
    ],
  )
  const p = D.add(D.add(D.mul(D.mul(r, r), q), r), 1)
  return c.hold(D.mul(p, L.add(L.shl(t, 52), 1)))
}

const withSign = (c: Calculator, magnitude: Vec, sign: Vec): Vec => c.B.or(magnitude, c.B.and(sign, c.f.constant('f64x2', -0)))

const atan2Wide = (c: Calculator, y: Local, x: Local): Vec => {
  const { D, L, B } = c
  // bounds keep 0/0 at 0 and inf/inf at 1
  const bound = (v: Local): Local => c.hold(D.pmin(D.abs(v), 1e300))
  const [ax, ay] = [bound(x), bound(y)]
  const t0 = c.hold(D.div(D.min(ax, ay), D.pmax(D.max(ax, ay), 1e-300)))
  const upper = c.hold(D.gt(t0, Math.SQRT2 - 1))
  const t = c.hold(pick(c, upper, D.div(D.sub(t0, 1), D.add(t0, 1)), t0))
  const z = c.hold(D.mul(t, t))
  const A = c.poly(
    'D',
    z,
    [
      -0.3333333333326093, 0.19999999982833072, -0.14285712881861465, 0.11111054666935447, -0.09089619116728681, 0.07674355517981842,
      -0.06510440019206405, 0.050379510490609514, -0.02548023784919267,
    ],
  )
  const first = c.hold(D.add(B.and(upper, c.f.constant('f64x2', Math.PI / 4)), D.add(t, D.mul(D.mul(t, z), A))))
  const second = c.hold(pick(c, D.gt(ay, ax), D.sub(Math.PI / 2, first), first))
  return withSign(c, pick(c, L.lt_s(x, 0), D.sub(Math.PI, second), second), y)
}

/** sqrt(1 - x²) without cancellation. */
const cofactor = ({ D }: Calculator, x: Local): Vec => D.sqrt(D.mul(D.sub(1, x), D.add(x, 1)))

type Core = (c: Calculator, x: Local, y: Local) => Vec

const cores = {
  sinh: (c, x) => {
    const { D } = c
    const e = exp64(c, x)
    const x2 = c.hold(D.mul(x, x))
    const small = D.add(x, D.mul(D.mul(x, x2), D.add(D.mul(x2, 1 / 120), 1 / 6)))
    return pick(c, D.lt(x2, 2 ** -10), small, D.mul(D.sub(e, D.div(1, e)), 0.5))
  },
  cosh: (c, x) => {
    const e = exp64(c, x)
    return c.D.mul(c.D.add(e, c.D.div(1, e)), 0.5)
  },
  asinh: (c, x) => {
    const { D } = c
    const a = c.hold(D.abs(x))
    const x2 = c.hold(D.mul(x, x))
    const y = log64(c, c.hold(D.add(a, D.sqrt(D.add(x2, 1)))))
    const small = D.sub(a, D.mul(D.mul(a, x2), 1 / 6))
    return withSign(c, pick(c, D.lt(a, 2 ** -10), small, y), x)
  },
  acosh: (c, x) => {
    const { D } = c
    return log64(c, c.hold(D.add(x, D.mul(D.sqrt(D.sub(x, 1)), D.sqrt(D.add(x, 1))))))
  },
  atanh: (c, x) => {
    const { D } = c
    const a = c.hold(D.abs(x))
    const y = D.mul(log64(c, c.hold(D.div(D.add(a, 1), D.sub(1, a)))), 0.5)
    const small = D.add(a, D.mul(D.mul(a, D.mul(x, x)), 1 / 3))
    return withSign(c, pick(c, D.lt(a, 2 ** -10), small, y), x)
  },
  asin: (c, x) => atan2Wide(c, x, c.hold(cofactor(c, x))),
  acos: (c, x) => atan2Wide(c, c.hold(cofactor(c, x)), x),
  atan: (c, x) => atan2Wide(c, x, c.f.constant('f64x2', 1)),
  atan2: (c, y, x) => atan2Wide(c, y, x),
  tan: (c, x) => {
    const { D, L } = c
    const { t, r } = reduceTrig(c, x)
    const z = c.hold(D.mul(r, r))
    const S = [-0.16666666666630295, 0.008333333325068545, -0.0001984126372382826, 2.7555338663610393e-6, -2.4760383809443773e-8]
    const C = [0.04166666666660214, -0.0013888888878260451, 2.4801580965844448e-5, -2.755556610749873e-7, 2.0647673624024273e-9]
    const sine = c.hold(D.add(r, D.mul(D.mul(r, z), c.poly('D', z, S))))
    const cosine = c.hold(D.add(D.sub(1, D.mul(z, 0.5)), D.mul(D.mul(z, z), c.poly('D', z, C))))
    const odd = c.hold(L.shr_s(L.shl(t, 63), 63))
    return D.div(pick(c, odd, D.neg(cosine), sine), pick(c, odd, sine, cosine))
  },
  /** |x|^y; signs are settled outside. */
  pow: (c, x, y) => {
    const { D } = c
    const a = c.hold(D.abs(x))
    const r = exp64(c, D.mul(log64(c, a), y))
    return pick(c, c.B.or(D.eq(a, 1), D.eq(y, 0)), 1, r)
  },
  /** |x| rem |y| for quotients below 2^29. */
  rem: (c, x, y) => {
    const { D, B } = c
    const [a, b] = [c.hold(D.abs(x)), c.hold(D.abs(y))]
    const r = c.hold(D.sub(a, D.mul(D.trunc(D.div(a, b)), b)))
    const up = c.hold(D.add(r, B.and(b, D.lt(r, 0))))
    const down = D.sub(up, B.and(b, D.ge(up, b)))
    return pick(c, B.and(D.eq(b, INF), D.lt(a, INF)), a, down)
  },
} satisfies Record<string, Core>

export type WideOp = keyof typeof cores
export const isWide = (op: string): op is WideOp => Object.hasOwn(cores, op)

const half = (c: Calculator, core: Core, args: readonly Vec[]): Vec => {
  const wide = args.map((arg) => c.hold(c.D.promote_low_f32x4(arg)))
  return c.hold(c.F.demote_f64x2_zero(core(c, wide[0] as Local, wide[1] ?? (wide[0] as Local))))
}

/** What the float64 core leaves to float32: signs, odd powers, far arguments. */
const finish = (c: Calculator, op: WideOp, y: Local, args: readonly Local[]): void => {
  const { F, B, f } = c
  const [a, b] = [args[0] as Local, args[1] as Local]
  if (op === 'tan') return orLanewise(f, 'tan', a, c.hold(keepZero(c, a, y)))
  if (op === 'pow') {
    const halfY = c.hold(F.mul(b, 0.5))
    const whole = c.hold(F.eq(F.nearest(b), b))
    const odd = B.and(whole, F.ne(F.nearest(halfY), halfY))
    const signed = B.xor(y, B.and(B.and(a, 0x80000000), odd))
    const undefinedThere = B.andnot(B.and(F.lt(a, 0), F.gt(a, -INF)), whole)
    return f.push(B.or(signed, undefinedThere))
  }
  if (op === 'rem') {
    const far = B.and(F.gt(F.abs(F.div(a, b)), 2 ** 28), F.lt(F.abs(a), INF))
    f.push(B.any_true(far))
    f.if(() => {
      lanewise(f, 'rem', a, b)
      f.set(y)
    })
    return f.push(B.or(B.and(y, 0x7fffffff), B.and(a, 0x80000000)))
  }
  f.get(y)
}

/** The function of one or two vectors. */
export const wideFunction = (module: ModuleBuilder, op: WideOp): FunctionHandle =>
  module.once(`math ${op}`, () => {
    const arity = op === 'atan2' || op === 'pow' || op === 'rem' ? 2 : 1
    const f = module.func(
      op,
      Array.from({ length: arity }, () => 'v128' as const),
      ['v128'],
    )
    const c = calculator(f)
    const low = half(c, cores[op], f.params)
    const upper = half(
      c,
      cores[op],
      f.params.map((param) => high(c, param)),
    )
    finish(c, op, c.hold(c.lanes(low as Local, upper as Local, 0, 1, 4, 5)), f.params)
    return f
  })
